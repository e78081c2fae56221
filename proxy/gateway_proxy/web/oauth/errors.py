"""Refusals in OAuth's own form (RFC 6749, section 5.2; RFC 8628, section 3.5)."""

from collections.abc import Mapping
from typing import Final

import orjson

from gateway_proxy.errors import GatewayError
from gateway_proxy.web.responses import Response

HEADERS: Final = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}


class OAuthError(GatewayError):
    """`code`: OAuth's word for it; `description` tells the way out."""

    def __init__(
        self,
        status: int,
        code: str,
        description: str,
        *,
        reason: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code, description, reason=reason, headers=headers)


def in_oauth_form(error: GatewayError) -> Response:
    """An answer of a path of OAuth, also for what any path may refuse."""
    if isinstance(error, OAuthError):
        code = error.type
    elif error.status == 429:
        code = "slow_down"
    else:
        code = "temporarily_unavailable" if error.status >= 500 else "invalid_request"
    body = orjson.dumps({"error": code, "error_description": error.message})
    return Response(error.status, body, {**HEADERS, **error.headers})


def invalid_grant(description: str, *, reason: str, status: int = 400) -> OAuthError:
    """401 for a refresh token: it makes clients ask for a new sign-in."""
    headers = {"x-should-retry": "false"} if status == 401 else {}
    return OAuthError(status, "invalid_grant", description, reason=reason, headers=headers)


def unsupported_grant_type() -> OAuthError:
    return OAuthError(
        400,
        "unsupported_grant_type",
        "this gateway takes urn:ietf:params:oauth:grant-type:device_code and refresh_token",
        reason="GrantTypeUnsupported",
    )


def missing_field(name: str) -> OAuthError:
    """`name`: a constant."""
    return OAuthError(400, "invalid_request", f"the form holds no {name}", reason="FormFieldMissing")


def not_yet() -> OAuthError:
    return OAuthError(400, "authorization_pending", "the sign-in is not finished", reason="SignInPending")


def slow_down(interval: float) -> OAuthError:
    return OAuthError(
        400,
        "slow_down",
        f"ask no more than once in {interval:g} s",
        reason="SignInPolledTooFast",
        headers={"retry-after": f"{interval:.0f}"},
    )


def sign_in_denied() -> OAuthError:
    return OAuthError(400, "access_denied", "the sign-in was denied", reason="SignInDenied")


def sign_in_expired() -> OAuthError:
    return OAuthError(400, "expired_token", "the sign-in took too long: start it again", reason="SignInExpired")
