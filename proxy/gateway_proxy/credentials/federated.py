"""Anthropic's workload identity federation: the pod's own token is exchanged for a short-lived one of the API."""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from gateway_config.upstream_credentials import FederatedCredential
from gateway_proxy.credentials.refusals import refusal
from gateway_proxy.credentials.renewing import Fetched, Renewing
from gateway_proxy.credentials.values import bearer, pod_token
from gateway_proxy.outbound.client import Answer, Outbound, OutboundError
from gateway_proxy.upstream.errors import CredentialError

TOKEN_FILE: Final = "ANTHROPIC_IDENTITY_TOKEN_FILE"  # noqa: S105 - a name
"""Where the environment names another file than the configuration, it wins, as in the official SDK."""
BETAS: Final = "oauth-2025-04-20,oidc-federation-2026-04-01"
"""What the exchange needs, as the official SDK 2.12 sends it."""
_PATH: Final = "/v1/oauth/token"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SECONDS: Final = 10.0
_MAX_BYTES: Final = 64 * 1024
_RULE: Final = (
    "let the federation rule match the issuer, the audience and the service account of the pod's token; the Console's "
    "page on workload identity shows what came"
)
_WAYS_OUT: Final[Mapping[str, str]] = {"": _RULE}


def federated_token(credential: FederatedCredential, *, base_url: str, outbound: Outbound) -> Renewing[bytes]:
    """An `authorization` line."""
    what = f"the Anthropic token of service account {credential.service_account_id}"
    return Renewing(partial(_fetch, credential, base_url.rstrip("/") + _PATH, what, outbound), what=what)


async def _fetch(credential: FederatedCredential, url: str, what: str, outbound: Outbound) -> Fetched[bytes]:
    """Raises CredentialError."""
    path = os.environ.get(TOKEN_FILE) or credential.token_file
    assertion = await asyncio.to_thread(pod_token, path, what)
    asked = {
        "grant_type": _GRANT,
        "assertion": assertion,
        "federation_rule_id": credential.federation_rule_id,
        "organization_id": credential.organization_id,
        "service_account_id": credential.service_account_id,
    }
    if credential.workspace_id is not None:
        asked["workspace_id"] = credential.workspace_id
    headers = {"content-type": "application/json", "anthropic-beta": BETAS}
    try:
        answer = await outbound.request(
            "POST", url, headers=headers, body=json.dumps(asked).encode(), max_bytes=_MAX_BYTES, seconds=_SECONDS
        )
    except OutboundError as error:
        raise CredentialError(f"{what}: {error}") from None
    now = time.time()
    host = url.split("/")[2]
    if answer.status != 200:
        told = refusal(answer).told(_WAYS_OUT if answer.status < 500 else {}, (assertion,))
        raise CredentialError(f"{what}: {host} says {told}")
    document = _document(answer)
    try:
        lifetime = int(document["expires_in"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise CredentialError(f"{what}: the answer of {host} holds no token, or not how long it is good for") from None
    return Fetched(bearer(document.get("access_token"), what=what), now + lifetime)


def _document(answer: Answer) -> Mapping[str, Any]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
