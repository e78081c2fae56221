"""The errors the gateway answers itself: one status table, one envelope, messages that tell the way out.

Every constructor returns a GatewayError to raise. `reason` is for audit lines and metrics: stable CamelCase, from this
file and its companions alone, so that it may be a metric label. Text that a client sent is quoted, bounded and stripped
of control characters before it becomes part of a message.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from gateway_config import denials

TYPE_OF_STATUS: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    501: "not_supported",
    529: "overloaded_error",
}
"""The error type of each status; every other status is `api_error`."""
_STATUS_OF_TYPE: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "not_supported": 501,
    "timeout_error": 504,
    "overloaded_error": 529,
}

NO_RETRY: Final[Mapping[str, str]] = {"x-should-retry": "false"}


class GatewayError(Exception):
    """An answer that the gateway gives in place of an upstream's."""

    def __init__(
        self, status: int, kind: str, message: str, *, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = kind
        self.message = message
        self.reason = reason
        self.headers: Mapping[str, str] = headers or {}


def error_type(status: int) -> str:
    return TYPE_OF_STATUS.get(status, "api_error")


def status_of_envelope(body: bytes) -> int:
    """The status that an error in Anthropic's form would have come with; 502 for what is none."""
    try:
        value = orjson.loads(body)
        kind = value["error"]["type"]
    except (ValueError, KeyError, TypeError):
        return 502
    return _STATUS_OF_TYPE.get(kind, 502) if isinstance(kind, str) else 502


def envelope(error: GatewayError, request_id: str) -> bytes:
    """The error as a JSON body in Anthropic's form."""
    return orjson.dumps(
        {"type": "error", "error": {"type": error.type, "message": error.message}, "request_id": request_id}
    )


def stream_event(error: GatewayError, request_id: str) -> bytes:
    """The error as a server-sent event, for a stream whose 200 is already on its way."""
    return b"event: error\ndata: " + envelope(error, request_id) + b"\n\n"


def _error(status: int, message: str, *, reason: str, headers: Mapping[str, str] | None = None) -> GatewayError:
    return GatewayError(status, error_type(status), message, reason=reason, headers=headers)


def _unauthorized(message: str, *, reason: str) -> GatewayError:
    """Clients that are not told otherwise ask again for minutes."""
    return _error(401, message, reason=reason, headers=NO_RETRY)


# --- who calls -------------------------------------------------------------------------------------------------------


def missing_credential() -> GatewayError:
    return _unauthorized(
        "no gateway key in the request: send it as `Authorization: Bearer <key>` or `x-api-key: <key>` "
        "(in Claude Code, set ANTHROPIC_AUTH_TOKEN); ask your gateway's administrator for a key",
        reason="MissingCredential",
    )


def invalid_credential() -> GatewayError:
    return _unauthorized(
        "the key is not known to this gateway: check that it was copied whole (ANTHROPIC_AUTH_TOKEN in Claude Code), "
        "or ask your gateway's administrator for a new one",
        reason="InvalidCredential",
    )


def expired_credential(expired: str) -> GatewayError:
    """`expired`: the moment in RFC 3339."""
    return _unauthorized(
        f"the gateway key expired at {expired}: ask your gateway's administrator for a new one",
        reason="ExpiredCredential",
    )


def workload_token_invalid(issuer: str, problem: str) -> GatewayError:
    """`issuer`: the configuration's name for it; `problem`: a sentence's end of ours, about the token."""
    return _unauthorized(
        f"the token of {issuer} is not taken: {problem}; get a new one, or ask your gateway's administrator",
        reason="WorkloadTokenInvalid",
    )


def workload_token_expired(issuer: str) -> GatewayError:
    return _unauthorized(
        f"the token of {issuer} has expired: get a new one for each run (apiKeyHelper in Claude Code)",
        reason="WorkloadTokenExpired",
    )


def workload_token_audience(issuer: str, audience: str) -> GatewayError:
    return _unauthorized(
        f"the token of {issuer} is for somebody else: ask {issuer} for one with the audience {audience}",
        reason="WorkloadTokenAudience",
    )


def workload_token_unmatched(issuer: str) -> GatewayError:
    return _unauthorized(
        f"no rule of this gateway speaks of a token of {issuer} with these claims: ask your gateway's administrator",
        reason="WorkloadTokenUnmatched",
    )


def workload_issuer_unavailable(issuer: str) -> GatewayError:
    """Its keys are not known and cannot be fetched."""
    return _error(
        503,
        f"the keys of {issuer} cannot be fetched just now, so its tokens cannot be verified: try again shortly",
        reason="WorkloadIssuerUnavailable",
        headers={"retry-after": "3"},
    )


def passthrough_disabled() -> GatewayError:
    return _unauthorized(
        "this gateway does not take claude.ai logins: set ANTHROPIC_AUTH_TOKEN to a gateway key; "
        "ask your gateway's administrator for one",
        reason="PassthroughDisabled",
    )


def credential_too_long(limit: int) -> GatewayError:
    return _unauthorized(
        f"the credential is longer than {limit} characters: it is not a gateway key; send the key alone",
        reason="InvalidCredential",
    )


def session_expired() -> GatewayError:
    """Clients renew a session before its token expires; this meets one that could not."""
    return _unauthorized(
        "the session has expired: sign in again (/login in Claude Code)",
        reason="SessionExpired",
    )


def session_revoked() -> GatewayError:
    return _unauthorized(
        "the session has been ended: sign in again (/login in Claude Code)",
        reason="SessionRevoked",
    )


def session_unreadable() -> GatewayError:
    """Signed by keys that are gone, or by another gateway; or not what this one writes."""
    return _unauthorized(
        "the session token is not one of this gateway's: sign in again (/login in Claude Code)",
        reason="SessionUnreadable",
    )


def session_provider_gone(provider: str) -> GatewayError:
    return _unauthorized(
        f"the identity provider {provider} is no longer one of this gateway's: sign in again (/login in Claude Code)",
        reason="SessionProviderGone",
    )


def session_groups_changed() -> GatewayError:
    """The token of somebody in more groups than it can name was cut for other policies."""
    return _unauthorized(
        "this gateway's policies speak of other groups since the session token was made: renew the session, or sign in "
        "again (/login in Claude Code)",
        reason="SessionGroupsChanged",
    )


def address_denied(client: str) -> GatewayError:
    """`client`: the address as the gateway sees it."""
    return _error(
        403,
        f"this gateway takes no requests from your address {client}: connect from the corporate network or its VPN; "
        "if you do already, give this address to your gateway's administrator",
        reason="AddressDenied",
    )


# --- what they may do ------------------------------------------------------------------------------------------------


def no_policy() -> GatewayError:
    return _error(403, denials.no_policy(), reason="NoPolicy")


def access_denied(policy: str) -> GatewayError:
    return _error(403, denials.access_denied(policy), reason="AccessDenied")


def policy_invalid(policy: str) -> GatewayError:
    return _error(403, denials.policy_invalid(policy), reason="PolicyInvalid")


def model_not_allowed(name: str, allowed: Iterable[str] = ()) -> GatewayError:
    """`allowed`: canonical ids of the models the caller may use; a few of them are named."""
    return _error(400, denials.model_not_allowed(name, allowed), reason="ModelNotAllowed")


def model_unknown(name: str, allowed: Iterable[str] = ()) -> GatewayError:
    return _error(400, denials.model_unknown(name, allowed), reason="ModelUnknown")


def model_without_upstream(name: str) -> GatewayError:
    """The caller may use the model, but no upstream open to them serves it."""
    return _error(400, denials.model_without_upstream(name), reason="ModelWithoutUpstream")


# --- the request itself ----------------------------------------------------------------------------------------------


def invalid_request(message: str, *, reason: str = "InvalidRequest") -> GatewayError:
    """400 with a message of the caller's; `reason` must be a constant."""
    return _error(400, message, reason=reason)


def model_required() -> GatewayError:
    return _error(400, "model is required", reason="ModelRequired")


def safeguards_refused() -> GatewayError:
    return _error(
        400,
        "safeguards: this gateway does not take this member, nor its beta; send the request without them",
        reason="SafeguardsRefused",
    )


def model_not_a_string() -> GatewayError:
    return _error(400, "model must be a string", reason="ModelNotAString")


def not_found() -> GatewayError:
    return _error(
        404,
        "no such path on this gateway: it serves /v1/messages, /v1/messages/count_tokens and /v1/models; "
        "GET /protocol lists everything",
        reason="NotFound",
    )


def no_managed_settings() -> GatewayError:
    """Not a fault: the caller's policies give no settings, and the client keeps those of the device."""
    return _error(404, "your gateway policy holds no managed settings", reason="NoManagedSettings")


def no_desktop() -> GatewayError:
    return _error(
        404,
        "your gateway policy does not configure Claude Desktop: ask your gateway's administrator for it",
        reason="NoDesktop",
    )


def method_not_allowed(allowed: Iterable[str]) -> GatewayError:
    methods = ", ".join(allowed)
    return _error(405, f"this path takes {methods}", reason="MethodNotAllowed", headers={"allow": methods})


def request_timeout() -> GatewayError:
    return _error(408, "the request's body did not arrive in time: send it again", reason="RequestTimeout")


def request_too_large(limit: int) -> GatewayError:
    return _error(
        413,
        f"the request is larger than this gateway takes ({limit} bytes): shorten the conversation "
        "(/compact in Claude Code) or leave out large files",
        reason="RequestTooLarge",
    )


def telemetry_too_large(limit: int) -> GatewayError:
    return _error(
        413,
        f"the report is larger than this gateway takes ({limit} bytes): export smaller batches",
        reason="TelemetryTooLarge",
    )


def headers_too_large() -> GatewayError:
    return _error(431, "the request's headers are larger than this gateway takes", reason="HeadersTooLarge")


def content_encoding_refused() -> GatewayError:
    return _error(
        415, "compressed request bodies are not taken: send it without content-encoding", reason="ContentEncoding"
    )


# --- the gateway's state ---------------------------------------------------------------------------------------------


def too_busy(retry_after_seconds: int = 1) -> GatewayError:
    """The bytes of all requests being read are at their bound."""
    return _error(
        429,
        f"this gateway is reading as many requests as it may hold: try again in {retry_after_seconds} s",
        reason="TooBusy",
        headers={"retry-after": str(retry_after_seconds)},
    )


def request_rate_limit(limit: int, retry_after_seconds: int) -> GatewayError:
    return _limited(f"{limit} requests a minute", retry_after_seconds, reason="RequestRateLimit")


def token_rate_limit(limit: int, retry_after_seconds: int) -> GatewayError:
    return _limited(f"{limit} tokens a minute", retry_after_seconds, reason="TokenRateLimit")


def too_many_open(limit: int, retry_after_seconds: int) -> GatewayError:
    return _limited(f"{limit} requests at once", retry_after_seconds, reason="OpenStreamsLimit")


def _limited(limit: str, retry_after_seconds: int, *, reason: str) -> GatewayError:
    return _error(
        429,
        f"you have reached this gateway's limit of {limit} for each user: try again in {retry_after_seconds} s, or ask "
        "your gateway's administrator for more",
        reason=reason,
        headers={"retry-after": str(retry_after_seconds)},
    )


def not_ready() -> GatewayError:
    return _error(
        503,
        "this gateway has no configuration yet: try again shortly",
        reason="NotReady",
        headers={"retry-after": "2"},
    )


def draining() -> GatewayError:
    """Also the in-band error of a stream that outlives the drain."""
    return _error(
        503,
        "this gateway instance is shutting down: send the request again",
        reason="Draining",
        headers={"retry-after": "1"},
    )


def internal_error() -> GatewayError:
    """A fault of the gateway's own; what happened is in its log beside the request id."""
    return _error(
        500,
        "the gateway failed on this request: try again, and give the request id to its administrator",
        reason="InternalError",
    )
