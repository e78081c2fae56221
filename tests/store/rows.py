"""Rows as the tests write them."""

import hashlib
from typing import Any

from gateway_proxy.identity.person import Person
from gateway_proxy.store import SessionRecord, SignIn

NOW = 1_800_000_000.0
ALICE = Person(
    provider="okta",
    subject="00u1",
    user="alice@corp.example",
    email="alice@corp.example",
    groups=("platform", 'größe | "quoted"'),
)
BOB = Person(provider="okta", subject="00u2", user="okta:Bob", email=None, groups=())


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def sign_in(name: str = "one", **members: Any) -> SignIn:
    given: dict[str, Any] = {
        "id": name,
        "device_code_sha256": digest(name),
        "user_code": f"CODE-{name}",
        "surface": "claude_code",
        "address": "192.0.2.7",
        "expires_at": NOW + 600,
    }
    return SignIn(**given | members)


def session(name: str = "one", **members: Any) -> SessionRecord:
    given: dict[str, Any] = {
        "id": name,
        "person": ALICE,
        "refresh_sha256": digest(f"{name}-refresh"),
        "provider_refresh_token_sealed": b"sealed \x00 bytes",
        "created_at": NOW,
        "expires_at": NOW + 86400,
    }
    return SessionRecord(**given | members)
