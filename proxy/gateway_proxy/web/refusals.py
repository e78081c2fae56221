"""Refusals of the sign-in paths and the Admin API. The rest is in `gateway_proxy.errors`; its rules hold here too."""

from collections.abc import Mapping
from typing import Final

from gateway_proxy.errors import GatewayError, error_type

_CALLBACK: Final[Mapping[str, str]] = {
    "StateInvalid": "this page is no way back to a sign-in, or came more than ten minutes after it was left: enter the "
    "code again, or start anew in your terminal",
    "OtherBrowser": "this sign-in was begun in another browser, or this one did not keep its cookie: enter the code "
    "again and stay in one browser",
    "SignInOver": "this sign-in has been finished or denied, or was begun again since: look at your terminal, and "
    "start anew there if it still waits",
}


def _error(status: int, message: str, *, reason: str, headers: Mapping[str, str] | None = None) -> GatewayError:
    return GatewayError(status, error_type(status), message, reason=reason, headers=headers)


# --- signing in ------------------------------------------------------------------------------------------------------


def sign_in_not_configured() -> GatewayError:
    return _error(
        404,
        "nobody signs in at this gateway: use a gateway key (ANTHROPIC_AUTH_TOKEN in Claude Code); ask your gateway's "
        "administrator for one",
        reason="SignInNotConfigured",
    )


def sign_in_not_ready() -> GatewayError:
    """The configuration has no key that signs, or no store."""
    return _error(
        503,
        "this gateway cannot give out sessions now: try again shortly",
        reason="SignInNotReady",
        headers={"retry-after": "5"},
    )


def store_unavailable() -> GatewayError:
    """Sessions that are there work on; what needs the store waits."""
    return _error(
        503,
        "this gateway cannot reach its store of sessions now: try again shortly",
        reason="StoreUnavailable",
        headers={"retry-after": "5"},
    )


def too_many_sign_ins(retry_after_seconds: int) -> GatewayError:
    return _error(
        429,
        f"too many sign-ins from your address: try again in {retry_after_seconds} s",
        reason="TooManySignIns",
        headers={"retry-after": str(retry_after_seconds)},
    )


def too_many_codes(retry_after_seconds: int) -> GatewayError:
    return _error(
        429,
        "too many codes were entered from your address",
        reason="TooManyCodes",
        headers={"retry-after": str(retry_after_seconds)},
    )


def too_many_unknown_tokens(retry_after_seconds: int) -> GatewayError:
    return _error(
        429,
        f"too many tokens and codes that are not known came from your address: try again in {retry_after_seconds} s",
        reason="TooManyUnknownTokens",
        headers={"retry-after": str(retry_after_seconds)},
    )


def renewal_unavailable() -> GatewayError:
    """The identity provider, or another request for the same session, takes too long."""
    return _error(
        503,
        "your session cannot be renewed now, because the identity provider does not answer: try again shortly",
        reason="RenewalUnavailable",
        headers={"retry-after": "30"},
    )


def callback_refused(reason: str) -> GatewayError:
    """`reason`: StateInvalid, OtherBrowser or SignInOver."""
    return _error(400, _CALLBACK[reason], reason=reason)


def not_a_form() -> GatewayError:
    return _error(415, "the body must be application/x-www-form-urlencoded", reason="NotAForm")


def malformed_form(problem: str) -> GatewayError:
    """`problem`: a constant sentence."""
    return _error(400, problem, reason="MalformedForm")


def origin_refused(public_url: str) -> GatewayError:
    return _error(
        403,
        f"this form was not sent from the gateway's own page: open {public_url}/device",
        reason="OriginRefused",
    )


# --- the Admin API ---------------------------------------------------------------------------------------------------


def admin_credential_missing() -> GatewayError:
    return _error(
        401,
        "the Admin API takes an admin key as x-api-key (made by `claude-gateway key create --admin`), or the session "
        "of a member of an admin group",
        reason="AdminCredentialMissing",
        headers={"x-should-retry": "false"},
    )


def admin_credential_invalid() -> GatewayError:
    return _error(
        401,
        "the admin key is not known to this gateway, or has expired: make one by `claude-gateway key create --admin`",
        reason="AdminCredentialInvalid",
        headers={"x-should-retry": "false"},
    )


def not_an_admin() -> GatewayError:
    return _error(
        403,
        "the Admin API is open to admin keys and to members of the gateway's admin groups who signed in: you are "
        "in none of them",
        reason="NotAnAdmin",
    )
