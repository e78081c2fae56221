"""Which of a request's credentials counts."""

from gateway_proxy import errors
from gateway_proxy.identity import passthrough
from gateway_proxy.identity.developer_keys import (
    MAX_CREDENTIAL_CHARACTERS,
    DeveloperKeys,
    bearer_token,
    expired,
    expiry_error,
)
from gateway_proxy.identity.principal import Principal


def authenticate(
    authorization: str | None, x_api_key: str | None, *, keys: DeveloperKeys, subscription_passthrough: bool
) -> Principal:
    """The principal of a request with these two headers; raises GatewayError (401).

    Any valid gateway key wins, `Authorization` before `x-api-key`: some clients send a key of another service in the
    header that they do not use for the gateway. Then a claude.ai login, where pass-through is enabled.
    """
    bearer = bearer_token(authorization)
    if bearer is None and not x_api_key:
        raise errors.missing_credential()
    late: Principal | None = None
    for presented in (bearer, x_api_key):
        if not presented or len(presented) > MAX_CREDENTIAL_CHARACTERS:
            continue
        found = keys.find(presented)
        if found is None:
            continue
        if not expired(found):
            return found
        late = late or found
    if bearer is not None and len(bearer) <= MAX_CREDENTIAL_CHARACTERS and passthrough.is_subscription_token(bearer):
        if subscription_passthrough:
            return passthrough.principal(bearer)
        if late is None:
            raise errors.passthrough_disabled()
    if late is not None:
        raise expiry_error(late)
    if max(len(bearer or ""), len(x_api_key or "")) > MAX_CREDENTIAL_CHARACTERS:
        raise errors.credential_too_long(MAX_CREDENTIAL_CHARACTERS)
    raise errors.invalid_credential()
