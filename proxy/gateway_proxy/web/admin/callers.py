"""Who may use the Admin API: holders of admin keys, and members of admin groups who signed in."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from multidict import CIMultiDictProxy

from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.identity.credentials import bearer_token
from gateway_proxy.web import refusals

KEY_PREFIX: Final = "cga_"
_MAX_KEY_CHARACTERS: Final = 256


@dataclass(frozen=True, slots=True)
class Admin:
    audit_fields: Mapping[str, str]
    """Who, as audit lines say it."""


async def admin_of(live: LiveConfiguration, headers: CIMultiDictProxy[str]) -> Admin:
    """An admin key counts in either header. Raises GatewayError (401, 403).

    A group makes an admin only of who signed in with an identity provider: the groups of developer keys and workloads
    are chosen by whoever makes them.
    """
    authorization, x_api_key = headers.get("Authorization"), headers.get("x-api-key")
    bearer = bearer_token(authorization)
    if bearer is None and not x_api_key:
        raise refusals.admin_credential_missing()
    for presented in (x_api_key, bearer):
        if presented is not None and presented.startswith(KEY_PREFIX):
            return _holder(live, presented)
    principal = await live.authenticate(authorization, x_api_key)
    if not live.is_admin(principal):
        raise refusals.not_an_admin()
    return Admin(principal.audit_fields)


def _holder(live: LiveConfiguration, presented: str) -> Admin:
    digest = hashlib.sha256(presented[:_MAX_KEY_CHARACTERS].encode("utf-8", "surrogatepass")).hexdigest()
    found = None
    for key in live.configuration.admin_keys:
        if compare_digest(key.sha256, digest):
            found = key
    if found is None or (found.expires is not None and found.expires <= time.time()):
        raise refusals.admin_credential_invalid()
    return Admin({"auth": "admin_key", "holder": found.holder, "key": found.name})
