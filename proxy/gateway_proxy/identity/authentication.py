"""Which of a request's credentials counts."""

from collections.abc import Sequence

from gateway_proxy import errors
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity import passthrough
from gateway_proxy.identity.credentials import MAX_CREDENTIAL_CHARACTERS, Recogniser, bearer_token
from gateway_proxy.identity.principal import Principal


class Authentication:
    """The kinds of credential that one configuration knows."""

    def __init__(self, recognisers: Sequence[Recogniser], *, subscription_passthrough: bool) -> None:
        self._recognisers = tuple(recognisers)
        self._passthrough = subscription_passthrough

    async def principal(self, authorization: str | None, x_api_key: str | None) -> Principal:
        """The principal of a request with these two headers; raises GatewayError (401, or 503 where it cannot be told).

        Any good credential wins, `Authorization` before `x-api-key`: some clients send a key of another service in the
        header that they do not use for the gateway, others the same credential in both. Then a claude.ai login, where
        pass-through is enabled. Waits only for what a recogniser has to fetch.
        """
        bearer = bearer_token(authorization)
        if bearer is None and not x_api_key:
            raise errors.missing_credential()
        refusal: GatewayError | None = None
        for presented in (bearer, x_api_key if x_api_key != bearer else None):
            if not presented or len(presented) > MAX_CREDENTIAL_CHARACTERS:
                continue
            for recogniser in self._recognisers:
                try:
                    found = recogniser.find(presented)
                    if found is not None and not isinstance(found, Principal):
                        found = await found
                except GatewayError as error:
                    refusal = _weightier(refusal, error)
                    break
                if found is not None:
                    return found
        if (
            bearer is not None
            and len(bearer) <= MAX_CREDENTIAL_CHARACTERS
            and passthrough.is_subscription_token(bearer)
        ):
            if self._passthrough:
                return passthrough.principal(bearer)
            refusal = refusal or errors.passthrough_disabled()
        if refusal is not None:
            raise refusal
        if max(len(bearer or ""), len(x_api_key or "")) > MAX_CREDENTIAL_CHARACTERS:
            raise errors.credential_too_long(MAX_CREDENTIAL_CHARACTERS)
        raise errors.invalid_credential()


def _weightier(before: GatewayError | None, error: GatewayError) -> GatewayError:
    """The first one; but what cannot be told now is worth another try, and that outweighs a credential that is out."""
    return error if before is None or before.status < 500 <= error.status else before
