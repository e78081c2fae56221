"""Credentials that are almost right. None is compared letter by letter, so nothing is learned by coming nearer."""

import hashlib
import secrets
from collections.abc import Callable, Iterator

import pytest
from tests.standins import framing
from tests.standins.manifests import key_of
from tests.standins.raw_client import Response, fetch
from tests.standins.sign_in import ADMIN_KEY, DEVICE_GRANT, SignInWorld

ROBOT = "robot@corp.example"
SAME_ID = ("x-client-request-id", "the-same-for-all")


def near(credential: str) -> Iterator[str]:
    """From nothing right but the kind, to everything but the last character, and one too many."""
    kind = credential[:4]
    body = credential[4:]
    for right in (0, 1, len(body) // 2, len(body) - 1):
        yield kind + body[:right] + "".join(other(letter) for letter in body[right:])
    yield credential[:-1]
    yield credential + "A"
    yield kind + secrets.token_urlsafe(32)


def other(letter: str) -> str:
    return "B" if letter == "A" else "A"


def said(answer: Response) -> tuple[int, list[tuple[str, str]], bytes]:
    return answer.status, [pair for pair in answer.headers if pair[0].lower() != "date"], answer.body


def device_code(world: SignInWorld) -> tuple[str, Callable[[str], Response]]:
    return world.begin().device_code, lambda code: world.post(
        "/oauth/token", {"grant_type": DEVICE_GRANT, "device_code": code}, headers=[SAME_ID]
    )


def refresh_token(world: SignInWorld) -> tuple[str, Callable[[str], Response]]:
    return world.sign_in().refresh, lambda token: world.post(
        "/oauth/token", {"grant_type": "refresh_token", "refresh_token": token}, headers=[SAME_ID]
    )


def by_header(world: SignInWorld, path: str, *headers: str) -> Callable[[str], Response]:
    def ask(key: str) -> Response:
        given: framing.Headers = [SAME_ID, *((name, key) for name in headers)]
        return fetch(world.gateway.port, "GET", path, headers=given)

    return ask


def developer_key(world: SignInWorld) -> tuple[str, Callable[[str], Response]]:
    return key_of(ROBOT), by_header(world, "/v1/models", "x-api-key")


def admin_key(world: SignInWorld) -> tuple[str, Callable[[str], Response]]:
    return ADMIN_KEY, by_header(world, "/v1/organizations/sessions", "x-api-key")


@pytest.mark.parametrize("kind", [developer_key, admin_key, device_code, refresh_token])
def test_coming_nearer_changes_nothing(
    world: SignInWorld, kind: Callable[[SignInWorld], tuple[str, Callable[[str], Response]]]
) -> None:
    credential, ask = kind(world)
    answers = [said(ask(wrong)) for wrong in near(credential)]
    assert answers[0][0] in (400, 401)
    assert answers == answers[:1] * len(answers)
    right = ask(credential)
    assert said(right) != answers[0]
    assert right.status == 200 or right.json()["error"] == "authorization_pending"


def test_the_store_holds_nothing_to_compare_with(world: SignInWorld) -> None:
    """Of codes and tokens it has digests, so a presented one is hashed before it is looked for."""
    device, tokens = world.begin(), world.sign_in()
    held = b"".join(file.read_bytes() for file in (world.folder / "state").rglob("*") if file.is_file())
    for credential in (device.device_code, tokens.refresh):
        assert hashlib.sha256(credential.encode()).digest() in held
        assert credential[4:16].encode() not in held
