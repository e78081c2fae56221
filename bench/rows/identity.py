"""What it costs to know who a caller is and which policy decides for them, in this process."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

from bench import configuration
from bench.bench import Bench
from bench.microseconds import result, seconds_each
from bench.report import Result
from gateway_config import bundle
from gateway_config.callers import Caller
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.identity.person import Person
from gateway_proxy.identity.principal import Principal
from gateway_proxy.identity.sessions.signing import SigningKeys
from gateway_proxy.identity.sessions.tokens import SessionTokens
from gateway_proxy.providers import Pools
from gateway_proxy.telemetry.metrics import Metrics

Item = TypeVar("Item")
GROUPS = 50
POLICIES = 1_000
TOKENS = 500
"""Verified cold in one round, each once."""


def who_and_what(bench: Bench) -> Sequence[Result]:
    rounds = 9 if bench.quick else 41
    return [*_tokens(rounds), *asyncio.run(_policies(bench.scratch(), rounds))]


def _tokens(rounds: int) -> Sequence[Result]:
    described = configuration.gateway(upstream="127.0.0.1:1", policies=20)
    keys = SigningKeys(described.signing_keys, configuration.CREDENTIALS)
    groups = tuple(f"group-{number:03}" for number in range(GROUPS))
    person = Person(provider=configuration.PROVIDER, subject="1", user="a@corp.example", email=None, groups=groups)
    minted = [
        SessionTokens(described, keys, revoked=()).mint(f"session-{number}", person, now=time.time())
        for number in range(TOKENS)
    ]

    def cold() -> float:
        tokens = SessionTokens(described, keys, revoked=())
        return seconds_each(minted, tokens.find)

    warm = SessionTokens(described, keys, revoked=())
    cached = median(seconds_each([minted[0]] * TOKENS, warm.find) for _ in range(rounds))
    fresh = median(cold() for _ in range(rounds))
    note = f"{GROUPS} groups, {len(minted[0])} characters"
    return [
        result("identity", "session token verified, seen before", cached, mark=3, notes=(note,)),
        result("identity", "session token verified, never seen", fresh, mark=40, notes=(note,)),
    ]


async def _policies(folder: Path, rounds: int) -> Sequence[Result]:
    mount = configuration.Mount(folder, upstream="127.0.0.1:1", policies=POLICIES)
    mount.prepare(sequence=1)
    mount.swap()
    pools = Pools()
    live = LiveConfiguration(bundle.read(folder), pools=pools, series=Metrics().series)
    # The caller's one group that a policy names belongs to the last of them.
    groups = frozenset([f"team-{POLICIES - 2}", *(f"group-{number:03}" for number in range(GROUPS - 1))])
    caller = Caller(user="a@corp.example", email="a@corp.example", groups=groups)
    one = Principal(caller=caller)
    assert live.policy_of(one).policy.name == f"claude/policy-{POLICIES - 2}"
    cached = median(seconds_each([one] * TOKENS, live.policy_of) for _ in range(rounds))
    fresh = median(
        seconds_each([Principal(caller=caller) for _ in range(TOKENS)], live.policy_of) for _ in range(rounds)
    )
    pools.close()
    note = f"{GROUPS} groups, {POLICIES:,} policies, the last but one decides"
    return [
        result("identity", "policy of a caller, seen before", cached, mark=5, notes=(note,)),
        result("identity", "policy of a caller, never seen", fresh, mark=300, notes=(note,)),
    ]
