"""Somebody who can write to the store, and has none of the gateway's keys: whom they cannot be.

Each forgery is as good as it can be: with tokens of the attacker's own, whose hashes they put into the rows.
"""

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from typing import Any

from tests.standins.identity_provider import IdentityProvider
from tests.standins.sign_in import Device, SignInWorld, Tokens, session_of, tokens_of

from gateway_proxy.identity.sessions.provider_tokens import ProviderToken, sealed_for_session
from gateway_proxy.identity.sessions.sealing import seal

ADMIN = {
    "provider": "corporate",
    "subject": "00u-root",
    "user": "00u-root",
    "email": "root@corp.example",
    "groups": ["engineering", "admins"],
}
MINE, ALSO_MINE = ("cgr_" + letter * 43 for letter in "mn")


def write(world: SignInWorld, table: str, key: str, value: Any, **columns: Any) -> None:
    with closing(sqlite3.connect(world.folder / "state" / "store.sqlite3")) as database, database:
        assignments = ", ".join(f'"{name}" = ?' for name in columns)
        statement = f"UPDATE claude_gateway_{table} SET {assignments} WHERE {key} = ?"  # our own words
        assert database.execute(statement, (*columns.values(), value)).rowcount == 1


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def approve_by_hand(world: SignInWorld, device: Device, sealed: bytes | None) -> None:
    columns = {"state": "Approved", "person": json.dumps(ADMIN), "provider_refresh_token_sealed": sealed}
    write(world, "sign_ins", "device_code_sha256", digest(device.device_code), **columns)


def become_admin(world: SignInWorld, tokens: Tokens, **columns: Any) -> None:
    person = {
        "subject": ADMIN["subject"],
        "user_id": ADMIN["user"],
        "email": ADMIN["email"],
        "groups": json.dumps(ADMIN["groups"]),
    }
    write(world, "sessions", "id", session_of(tokens), **person, **columns)


def test_a_sign_in_that_was_approved_in_the_store_is_nobodys(world: SignInWorld) -> None:
    for sealed in (None, b"", seal(b"m" * 32, b'{"token":null}', purpose="approved sign-in")):
        device = world.begin()
        approve_by_hand(world, device, sealed)
        answer = world.poll(device)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")


def test_an_approval_is_not_carried_over_to_another_person(world: SignInWorld) -> None:
    device = world.begin()
    assert world.approve(device).status == 200
    write(world, "sign_ins", "device_code_sha256", digest(device.device_code), person=json.dumps(ADMIN))
    assert world.poll(device).json()["error"] == "invalid_grant"


def test_a_device_code_is_not_answered_for_another_person(world: SignInWorld) -> None:
    device = world.begin()
    world.approve(device)
    become_admin(world, world.redeem(device))
    assert world.poll(device).json()["error"] == "invalid_grant"


def test_a_successor_that_was_made_up_gives_no_session(world: SignInWorld) -> None:
    tokens = world.sign_in()
    forged = seal(
        MINE.encode(),
        json.dumps({"token": MINE, "mark": "0" * 64}).encode(),
        purpose="successor of a refresh token",
        context=session_of(tokens),
    )
    become_admin(world, tokens, previous_sha256=digest(MINE), previous_until=time.time() + 9e9, sealed_successor=forged)
    assert world.refresh(MINE).status == 401


def test_while_the_provider_is_away_the_stores_word_alone_renews_nothing(
    world: SignInWorld, idp: IdentityProvider
) -> None:
    tokens = world.sign_in()
    forged = sealed_for_session(ProviderToken("made up", time.time(), "0" * 64), ALSO_MINE, session_of(tokens))
    become_admin(world, tokens, refresh_sha256=digest(ALSO_MINE), provider_refresh_token_sealed=forged)
    idp.answers["/token"] = lambda asked: (503, {})
    assert world.refresh(ALSO_MINE).status == 503
    idp.answers.clear()
    assert world.refresh(ALSO_MINE).status == 401, "and the provider does not know that token"


def test_groups_that_were_written_into_the_store_are_gone_at_the_next_renewal(world: SignInWorld) -> None:
    tokens = world.sign_in()
    write(world, "sessions", "id", session_of(tokens), groups=json.dumps(["engineering", "admins"]))
    world.load(spend={"adminGroups": ["admins"]})
    renewed = tokens_of(world.refresh(tokens.refresh))
    assert world.models(renewed.access).status == 200
    assert world.sessions(key=renewed.access).status == 403
