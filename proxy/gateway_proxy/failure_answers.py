"""What clients are told when upstreams fail: errors of the gateway's own, beside those of `gateway_proxy.errors`."""

from collections.abc import Mapping

from gateway_proxy.errors import NO_RETRY, GatewayError, error_type


def _answer(status: int, message: str, *, reason: str, headers: Mapping[str, str] | None = None) -> GatewayError:
    return GatewayError(status, error_type(status), message, reason=reason, headers=headers)


def overloaded(headers: Mapping[str, str] | None = None) -> GatewayError:
    return _answer(529, "the upstream is at capacity: try again shortly", reason="Overloaded", headers=headers)


def upstreams_full() -> GatewayError:
    return _answer(
        529,
        "the upstreams have as many requests open as they may: try again shortly",
        reason="UpstreamsFull",
        headers={"retry-after": "1"},
    )


def all_upstreams_failed(attempted: int) -> GatewayError:
    return _answer(502, f"all upstreams failed ({attempted} attempted)", reason="UpstreamsFailed")


def tokens_not_counted() -> GatewayError:
    """Clients that are told so count by themselves; a guess of ours they would believe."""
    return _answer(
        501,
        "count_tokens is not available on this gateway's upstreams for this model",
        reason="TokensNotCounted",
        headers=NO_RETRY,
    )


def login_without_upstream() -> GatewayError:
    """For a developer's own login where every upstream is called with the gateway's credential."""
    return _answer(
        403,
        "a claude.ai login is good for the Anthropic API alone, and this gateway has another upstream for the model: "
        "set ANTHROPIC_AUTH_TOKEN to a gateway key; ask your gateway's administrator for one",
        reason="LoginWithoutUpstream",
        headers=NO_RETRY,
    )


def upstream_broke_off() -> GatewayError:
    """For a stream that ended before its message did."""
    return _answer(502, "the upstream broke off in the middle of its answer: try again", reason="UpstreamBrokeOff")


def upstream_silent(seconds: float) -> GatewayError:
    return _answer(502, f"the upstream sent nothing for {seconds:g} s: try again", reason="UpstreamSilent")


def upstream_broke_protocol() -> GatewayError:
    return _answer(502, "the upstream's answer could not be read: try again", reason="UpstreamProtocol")


def unreadable(status: int) -> GatewayError:
    """In the place of an upstream's error that is no error of the Messages API: a page of some machine on the way."""
    return _answer(
        status,
        f"the upstream answered with status {status} and with nothing that a client could read: tell your gateway's "
        "administrator, who finds it in the log under the request's id",
        reason="UpstreamUnreadable",
    )
