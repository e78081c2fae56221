"""What the two providers on AWS share: keys that requests are signed with, a role that is assumed with them."""

import json
import re
from typing import Final

from gateway_config.upstream_credentials import AWSCredential
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.references import SecretKeyRef, SecretRef
from gateway_operator.compiler.providers.regions import partition
from gateway_operator.compiler.providers.room import Keyring, UnusableError

ACCESS_KEY_NAMES: Final = ("accessKeyID", "secretAccessKey")
"""Of a Secret that is named without a key."""
_SESSION_TOKEN: Final = "sessionToken"  # noqa: S105  # a name
_TEMPORARY: Final = "ASIA"
"""What ids of temporary access keys begin with (IAM user guide, "Understanding unique ID prefixes")."""
_KEY_ID: Final = re.compile(r"A[KS]IA[A-Z0-9]{12,124}")
"""Ids of access keys (ibid.; IAM API reference, "AccessKey")."""
_SECRET: Final = re.compile(r"[A-Za-z0-9/+]{40}")
"""What AWS makes beside them."""


def sts_url(region: str) -> str:
    """Where a role is assumed: the region's own address (IAM user guide, "AWS STS Regions and endpoints")."""
    return f"https://sts.{region}.{partition(region).dns_suffix}"


def signing_credential(
    keyring: Keyring, path: str, ref: SecretRef | None, *, region: str, role_arn: str, external_id: str = ""
) -> AWSCredential:
    """`ref` None: the pod's own identity. Raises UnusableError."""
    return AWSCredential(
        access_key=None if ref is None else keyring.keep(_access_key(keyring, path, ref, region if role_arn else "")),
        role_arn=role_arn or None,
        external_id=external_id or None,
    )


def _access_key(keyring: Keyring, path: str, ref: SecretRef, role_region: str) -> str:
    """The keys as JSON. `role_region`: where they are used to assume a role as well."""
    if ref.key is not None:
        message = f"{ref.key} is one key, and {' and '.join(ACCESS_KEY_NAMES)} are read by these names: remove key"
        raise UnusableError(f"{path}.key", Reason.SECRET_INVALID, message)
    urls = [sts_url(role_region)] if role_region else []
    wanted = [*ACCESS_KEY_NAMES, _SESSION_TOKEN] if keyring.has(path, ref.name, _SESSION_TOKEN) else ACCESS_KEY_NAMES
    keys = {name: keyring.header_value(path, SecretKeyRef(name=ref.name, key=name), urls=urls) for name in wanted}
    swapped = _swapped(keys["accessKeyID"], keys["secretAccessKey"])
    if swapped:
        raise UnusableError(path, Reason.SECRET_INVALID, f"Secret {keyring.ref.namespace}/{ref.name}: {swapped}")
    if keys["accessKeyID"].startswith(_TEMPORARY) and _SESSION_TOKEN not in keys:
        message = (
            f"Secret {keyring.ref.namespace}/{ref.name} holds a temporary access key without its {_SESSION_TOKEN}: "
            f"add the key {_SESSION_TOKEN}, or take a key that lasts"
        )
        raise UnusableError(path, Reason.SECRET_INVALID, message)
    return json.dumps(keys, sort_keys=True)


def _swapped(key_id: str, secret: str) -> str:
    """What is wrong where one of the two has the form of the other; empty otherwise. Other forms pass: AWS may change
    its own, and what answers at a `baseURL` may have another."""
    id_is_secret = _SECRET.fullmatch(key_id) is not None and _KEY_ID.fullmatch(key_id) is None
    if _KEY_ID.fullmatch(secret) is None:
        wrong = "accessKeyID has the form of a secret access key: put the id there, AKIA... or ASIA..."
        return wrong if id_is_secret else ""
    if id_is_secret:
        return "accessKeyID and secretAccessKey are swapped: put each in the other's place"
    return "secretAccessKey has the form of an access key's id: put the secret itself there"
