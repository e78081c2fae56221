"""Names, labels and annotations that the operator gives to what it makes, and reads on what others make.

Others rely on them: scripts find a gateway's children by these names.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

PREFIX: Final = "claude-gateway.dev/"
"""Of every label and annotation that is ours."""

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "claude-gateway-operator"
"""Value of the managed-by label, and the field manager of every server-side apply."""
NAME_LABEL: Final = "app.kubernetes.io/name"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
PROXY: Final = "claude-gateway-proxy"
GATEWAY_LABEL: Final = f"{PREFIX}gateway"
"""On every child, and on the Secrets of developer and admin keys: the gateway's name. The namespace is the object's."""

HOSTS_ANNOTATION: Final = f"{PREFIX}hosts"
"""On a Secret: the hosts to which its value may be sent, separated by commas."""
SEQUENCE_ANNOTATION: Final = f"{PREFIX}sequence"
"""On a pod: the sequence number that its kubelet was nudged for. The only thing that the operator writes on a pod."""
REVISION_ANNOTATION: Final = f"{PREFIX}revision"
"""On the configuration's Secret: the revision inside."""
APPLIED_ANNOTATION: Final = f"{PREFIX}applied"
"""On a child: the digest of what the operator last wanted it to be, so that a field that it no longer wants is seen."""

DEVELOPER_KEY_TYPE: Final = f"{PREFIX}developer-key"
ADMIN_KEY_TYPE: Final = f"{PREFIX}admin-key"
KEY_TYPES: Final = (DEVELOPER_KEY_TYPE, ADMIN_KEY_TYPE)
"""Of Secrets that belong to a gateway by their label, and to which no reference leads."""

TOKENS_DIRECTORY: Final = "/var/run/secrets/claude-gateway.dev/tokens"
"""In pods: a directory for each audience that their service account needs a token of."""


def token_file(audience: str) -> str:
    """Where the pods' token of an audience lies."""
    return f"{TOKENS_DIRECTORY}/{hashlib.sha256(audience.encode()).hexdigest()[:16]}/token"


def config_secret(gateway: str, part: int = 0) -> str:
    """The Secret that holds a part of the configuration; the first holds the index too."""
    return f"{gateway}-config-{part}" if part else f"{gateway}-config"


def credentials_secret(gateway: str) -> str:
    return f"{gateway}-credentials"


def signing_secret(gateway: str) -> str:
    """The Secret with what the operator made up itself: session signing keys and the admin port's token."""
    return f"{gateway}-signing"


def service_account(gateway: str) -> str:
    """Not the gateway's own name: every namespace has a ServiceAccount `default`, and a gateway may be called that."""
    return f"{gateway}-proxy"


def volume_claim(gateway: str) -> str:
    """Of an Embedded store."""
    return f"{gateway}-state"


def metrics_service(gateway: str) -> str:
    """Headless, for the ServiceMonitor; the gateway's own Service has the developers' port alone."""
    return f"{gateway}-metrics"


def child_labels(gateway: str) -> dict[str, str]:
    """Labels of every child of a gateway; also what its pods are selected by."""
    return {
        NAME_LABEL: PROXY,
        INSTANCE_LABEL: gateway,
        MANAGED_BY_LABEL: MANAGER,
        GATEWAY_LABEL: gateway,
    }


def is_managed(labels: Mapping[str, str] | None) -> bool:
    """Whether an object with these labels is the operator's own."""
    return (labels or {}).get(MANAGED_BY_LABEL) == MANAGER
