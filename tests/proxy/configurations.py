"""Compiled configurations for tests of the data plane, made without the compiler."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from gateway_config import bundle
from gateway_config.contract import (
    Configuration,
    DeveloperKey,
    Egress,
    GatewayIdentity,
    Limits,
    Match,
    Model,
    Policy,
    Timeouts,
    Upstream,
)
from gateway_config.upstream_credentials import StaticCredential, values_of

ALICE_KEY = "cgk_" + "a" * 43
BOB_KEY = "cgk_" + "b" * 43
UPSTREAM_KEY = "sk-ant-api03-canary-of-these-tests"

MODELS = (
    Model(
        id="claude-opus-5-5",
        display_name="Claude Opus 5.5",
        created_at="2026-09-01T00:00:00Z",
        max_input_tokens=1_000_000,
    ),
    Model(id="claude-sonnet-5-5", display_name="Claude Sonnet 5.5", created_at="2026-09-02T00:00:00Z"),
    Model(id="claude-haiku-4-5-20251001", display_name="Claude Haiku 4.5", created_at="2025-10-01T00:00:00Z"),
)
IDS = tuple(model.id for model in MODELS)
BASE = Policy(name="claude/everyone")
LOOPBACK = Egress(allow_loopback=True)
"""Stand-ins listen there."""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def developer_key(
    value: str = ALICE_KEY, *, user: str = "alice@corp.example", groups: Iterable[str] = (), expires: int | None = None
) -> DeveloperKey:
    name = user.partition("@")[0]
    return DeveloperKey(
        name=f"claude/key-{name}", sha256=sha256(value), user=user, groups=tuple(groups), expires=expires
    )


def upstream(
    name: str = "anthropic",
    *,
    base_url: str = "http://127.0.0.1:9",
    models: Mapping[str, str] | None = None,
    priority: int = 100,
    credential: str = UPSTREAM_KEY,
) -> Upstream:
    return Upstream(
        name=f"claude/{name}",
        type="Anthropic",
        priority=priority,
        base_url=base_url,
        credential=StaticCredential(kind="ApiKey", name=name, sha256=sha256(credential)),
        models=dict(models) if models is not None else {name: name for name in IDS},
        timeouts=Timeouts(connect_seconds=2, first_byte_seconds=10, idle_seconds=10),
    )


def policy(name: str, *, user: str, **members: Any) -> Policy:
    return Policy(name=f"claude/{name}", matches=(Match(users=(user,)),), **members)


def configuration(**members: Any) -> Configuration:
    """Every model open to Alice through one upstream; `members` replace parts of it."""
    given: dict[str, Any] = {
        "gateway": GatewayIdentity(namespace="claude", name="corp", public_url="https://claude.corp.example"),
        "limits": Limits(max_request_bytes=1 << 20, max_buffered_bytes=1 << 24, drain_seconds=5),
        "egress": LOOPBACK,
        "models": MODELS,
        "upstreams": (upstream(),),
        "base": BASE,
        "developer_keys": (developer_key(),),
    }
    return Configuration(**given | members)


def files(compiled: Configuration, *, sequence: int = 1, credential: str = UPSTREAM_KEY) -> dict[str, bytes]:
    """The bundle's files, with one credential for every upstream."""
    credentials = {value.name: credential for one in compiled.upstreams for value in values_of(one.credential)}
    return bundle.pack(compiled, credentials=credentials, sequence=sequence)
