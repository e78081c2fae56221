"""Which credential of a request counts, and what the others are told."""

import asyncio
import time
from collections.abc import Awaitable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.proxy.configurations import ALICE_KEY, BOB_KEY, developer_key

from gateway_proxy import errors
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.authentication import Authentication
from gateway_proxy.identity.credentials import MAX_CREDENTIAL_CHARACTERS, Recogniser
from gateway_proxy.identity.developer_keys import MAX_KEY_CHARACTERS, DeveloperKeys
from gateway_proxy.identity.principal import Principal

LATE_KEY = "cgk_" + "l" * 43
LOGIN = "sk-ant-oat01-" + "o" * 80
KEYS = DeveloperKeys(
    [
        developer_key(groups=["engineering"]),
        developer_key(BOB_KEY, user="bob"),
        developer_key(LATE_KEY, user="late", expires=1),
    ]
)


def ask(
    authorization: str | None, x_api_key: str | None, *recognisers: Recogniser, passthrough: bool = False
) -> Principal:
    authentication = Authentication(recognisers, subscription_passthrough=passthrough)
    return asyncio.run(authentication.principal(authorization, x_api_key))


def caller(authorization: str | None = None, x_api_key: str | None = None, *, passthrough: bool = False) -> Principal:
    return ask(authorization, x_api_key, KEYS, passthrough=passthrough)


def refusal(
    authorization: str | None = None, x_api_key: str | None = None, *, passthrough: bool = False
) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        caller(authorization, x_api_key, passthrough=passthrough)
    error = caught.value
    assert (error.status, error.type, error.headers["x-should-retry"]) == (401, "authentication_error", "false")
    assert len(error.message) < 300
    return error


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [
        (f"Bearer {ALICE_KEY}", None),
        (f"bearer   {ALICE_KEY} ", None),
        (None, ALICE_KEY),
        (f"Bearer {ALICE_KEY}", ALICE_KEY),
        (f"Bearer {ALICE_KEY}", "sk-ant-api03-left-over"),
        ("Bearer of-another-service", ALICE_KEY),
        (f"Bearer {LATE_KEY}", ALICE_KEY),
        (f"Bearer {LOGIN}", ALICE_KEY),
        ("Basic dXNlcjpwYXNz", ALICE_KEY),
        ("Bearer " + "x" * 100_000, ALICE_KEY),
    ],
)
@pytest.mark.parametrize("passthrough", [False, True])
def test_any_valid_key_wins(authorization: str | None, x_api_key: str | None, passthrough: bool) -> None:
    found = caller(authorization, x_api_key, passthrough=passthrough)
    assert found.caller is not None
    assert found.caller.user == "alice@corp.example"
    assert found.caller.groups == {"engineering"}
    assert found.passthrough_authorization is None
    assert found.audit_fields == {
        "auth": "developer_key",
        "sub": "alice@corp.example",
        "email": "alice@corp.example",
        "key": "claude/key-alice",
    }


def test_authorization_comes_before_x_api_key() -> None:
    found = caller(f"Bearer {BOB_KEY}", ALICE_KEY)
    assert found.caller is not None
    assert found.caller.user == "bob"
    assert "email" not in found.audit_fields


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "reason"),
    [
        (None, None, "MissingCredential"),
        ("", "", "MissingCredential"),
        ("Bearer ", None, "MissingCredential"),
        ("Basic dXNlcjpwYXNz", None, "MissingCredential"),
        (ALICE_KEY, None, "MissingCredential"),
        ("Bearer nobody", None, "InvalidCredential"),
        (None, ALICE_KEY[:-1], "InvalidCredential"),
        (None, ALICE_KEY + "x", "InvalidCredential"),
        (None, ALICE_KEY.upper(), "InvalidCredential"),
        (None, "cgk_\udcff", "InvalidCredential"),
        (None, "x" * (MAX_KEY_CHARACTERS + 1), "InvalidCredential"),
        (None, "x" * (MAX_CREDENTIAL_CHARACTERS + 1), "InvalidCredential"),
        (None, LATE_KEY, "ExpiredCredential"),
        (f"Bearer {LOGIN}", None, "PassthroughDisabled"),
        (None, LOGIN, "InvalidCredential"),
    ],
)
def test_who_is_refused(authorization: str | None, x_api_key: str | None, reason: str) -> None:
    assert refusal(authorization, x_api_key).reason == reason


def test_the_message_tells_the_way_out() -> None:
    assert "ANTHROPIC_AUTH_TOKEN" in refusal().message
    assert "administrator" in refusal(x_api_key="wrong").message
    assert "expired at 1970-01-01T00:00:01Z" in refusal(x_api_key=LATE_KEY).message
    assert "gateway key" in refusal(f"Bearer {LOGIN}").message


def test_no_message_repeats_the_credential() -> None:
    for presented in ("wrong-key-canary", LATE_KEY, LOGIN):
        assert presented not in refusal(f"Bearer {presented}").message


def test_a_key_expires_while_the_process_runs() -> None:
    moment = int(time.time()) + 2
    keys = DeveloperKeys([developer_key(expires=moment)])
    assert ask(None, ALICE_KEY, keys)
    while time.time() < moment:
        time.sleep(0.01)
    with pytest.raises(GatewayError, match="expired"):
        ask(None, ALICE_KEY, keys)


def test_a_login_passes_through_where_that_is_enabled() -> None:
    found = caller(f"bearer {LOGIN}", passthrough=True)
    assert found.caller is None
    assert found.passthrough_authorization == f"Bearer {LOGIN}"
    assert found.audit_fields == {"auth": "subscription_passthrough"}
    assert LOGIN not in repr(found)


@pytest.mark.parametrize("token", ["sk-ant-api03-organization", "cgk_unknown", "eyJhbGciOiJIUzI1NiJ9.e30.x"])
def test_only_a_login_passes_through(token: str) -> None:
    assert refusal(f"Bearer {token}", passthrough=True).reason == "InvalidCredential"


class Waiting:
    """Knows one credential, and has to fetch what tells."""

    def __init__(self, known: str, answer: Principal | GatewayError) -> None:
        self.known, self.answer = known, answer
        self.asked: list[str] = []

    def find(self, presented: str) -> Awaitable[Principal | None]:
        return self._fetched(presented)

    async def _fetched(self, presented: str) -> Principal | None:
        await asyncio.sleep(0)
        self.asked.append(presented)
        if presented != self.known:
            return None
        if isinstance(self.answer, GatewayError):
            raise self.answer
        return self.answer


def test_a_credential_that_has_to_be_looked_up_is_waited_for() -> None:
    principal = Principal(caller=None)
    other = Waiting("token", principal)
    assert ask("Bearer token", None, KEYS, other) is principal
    assert ask("Bearer token", ALICE_KEY, KEYS, other) is principal
    assert ask("Bearer of-another-service", "token", KEYS, other) is principal


def test_the_same_credential_in_both_headers_is_looked_up_once() -> None:
    other = Waiting("token", Principal(caller=None))
    with pytest.raises(GatewayError, match="not known"):
        ask("Bearer x", "x", KEYS, other)
    assert other.asked == ["x"]


def test_a_good_credential_wins_over_one_that_cannot_be_told() -> None:
    other = Waiting("token", errors.not_ready())
    assert ask("Bearer token", ALICE_KEY, KEYS, other).key_name == "claude/key-alice"


@pytest.mark.parametrize(
    "headers", [("Bearer token", LATE_KEY), (f"Bearer {LATE_KEY}", "token"), ("Bearer token", None)]
)
def test_what_cannot_be_told_now_is_no_refusal(headers: tuple[str, str | None]) -> None:
    with pytest.raises(GatewayError) as caught:
        ask(*headers, KEYS, Waiting("token", errors.not_ready()))
    assert caught.value.status == 503


@settings(deadline=None)
@given(st.none() | st.text(max_size=60), st.none() | st.text(max_size=60))
def test_nothing_made_up_gets_in(authorization: str | None, x_api_key: str | None) -> None:
    refusal(authorization, x_api_key)
