"""The edges of a refresh: clients that leave, graces that end, providers that stay away, pods that die."""

import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

from tests.standins.framing import pairs
from tests.standins.gateway import eventually
from tests.standins.identity_provider import Asked, IdentityProvider
from tests.standins.raw_client import Connection, request_bytes
from tests.standins.sign_in import FORM, SignInWorld, Tokens, session_of, signing_secret, tokens_of

from gateway_config.contract import SigningKey
from gateway_proxy.identity.person import Person
from gateway_proxy.identity.sessions.provider_tokens import confirmed, of_session, sealed_for_session
from gateway_proxy.identity.sessions.signing import SigningKeys

ALICE = Person("corporate", "00u-alice", "00u-alice", "alice@corp.example", ("engineering",))
KEYS = SigningKeys([SigningKey(kid="k1", name="k1", sha256="0" * 64, use="Sign")], {"k1": signing_secret("k1")})


def row(world: SignInWorld, tokens: Tokens, column: str) -> Any:
    with closing(sqlite3.connect(world.folder / "state" / "store.sqlite3")) as database, database:
        statement = f"SELECT {column} FROM claude_gateway_sessions WHERE id = ?"  # our own words
        return database.execute(statement, (session_of(tokens),)).fetchone()[0]


def set_row(world: SignInWorld, tokens: Tokens, column: str, value: Any) -> None:
    with closing(sqlite3.connect(world.folder / "state" / "store.sqlite3")) as database, database:
        statement = f"UPDATE claude_gateway_sessions SET {column} = ? WHERE id = ?"  # our own words
        assert database.execute(statement, (value, session_of(tokens))).rowcount == 1


def test_a_client_that_leaves_in_the_middle_loses_nothing(world: SignInWorld, idp: IdentityProvider) -> None:
    """The provider's new refresh token comes once: it is kept although nobody waits for the answer."""
    tokens = world.sign_in()
    before = idp.asked("/token")
    go_on = threading.Event()

    def slowly(asked: Asked) -> Any:
        assert go_on.wait(15)
        del idp.answers["/token"]
        return idp._token(asked)

    idp.answers["/token"] = slowly
    client = Connection(world.gateway.port)
    body = f"grant_type=refresh_token&refresh_token={tokens.refresh}".encode()
    client.send(request_bytes("POST", "/oauth/token", [*pairs([FORM])], body))
    idp.wait_for(lambda: idp.asked("/token") == before + 1, what="the refresh")
    client.close()
    eventually(lambda: world.gateway.metric("claude_gateway_open_streams") == 0, what="the client gone")
    go_on.set()
    eventually(lambda: row(world, tokens, "sealed_successor"), what="the token replaced")
    again = tokens_of(world.refresh(tokens.refresh))
    assert idp.asked("/token") == before + 1
    tokens_of(world.refresh(again.refresh))


def test_a_replaced_token_is_good_for_the_grace_and_no_longer(world: SignInWorld) -> None:
    tokens = world.sign_in()
    second = tokens_of(world.refresh(tokens.refresh))
    left = row(world, tokens, "previous_until") - time.time()
    assert 20 < left <= 30
    set_row(world, tokens, "previous_until", time.time() - 1)
    answer = world.refresh(tokens.refresh)
    assert (answer.status, answer.json()["error"]) == (401, "invalid_grant")
    assert world.models(second.access).status == 401
    assert world.refresh(second.refresh).status == 401


def test_a_provider_that_stays_away_holds_sessions_up_and_ends_none(world: SignInWorld, idp: IdentityProvider) -> None:
    tokens = world.sign_in()
    sealed = row(world, tokens, "provider_refresh_token_sealed")
    kept = of_session(sealed, tokens.refresh, session_of(tokens))
    assert kept is not None
    long_ago = confirmed(kept.value, ALICE, KEYS, session_of(tokens), now=time.time() - 9 * 3600)
    assert long_ago.speaks_of(ALICE, KEYS, session_of(tokens)), "all but its time is right"
    set_row(
        world,
        tokens,
        "provider_refresh_token_sealed",
        sealed_for_session(long_ago, tokens.refresh, session_of(tokens)),
    )
    idp.answers["/token"] = lambda asked: (503, {})
    for _ in range(2):
        answer = world.refresh(tokens.refresh)
        assert (answer.status, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert answer.header("retry-after")
    assert world.models(tokens.access).status == 200
    idp.answers.clear()
    tokens_of(world.refresh(tokens.refresh))


def test_a_pod_that_died_with_a_claim_holds_the_session_up_for_its_time_only(world: SignInWorld) -> None:
    tokens = world.sign_in()
    set_row(world, tokens, "claimed_until", time.time() + 1.5)
    began = time.monotonic()
    tokens_of(world.refresh(tokens.refresh))
    assert time.monotonic() - began >= 1


def test_a_session_ends_when_it_is_not_used(world: SignInWorld) -> None:
    tokens = world.sign_in()
    assert row(world, tokens, "expires_at") - time.time() > 29 * 86400
    set_row(world, tokens, "expires_at", time.time() - 1)
    answer = world.refresh(tokens.refresh)
    assert (answer.status, answer.json()["error"]) == (401, "invalid_grant")
    assert world.line("auth.denied", reason="SessionExpired")
    assert world.models(tokens.access).status == 200, "its token is good until its own end"
