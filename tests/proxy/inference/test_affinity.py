"""Sessions keep to their upstreams: by weight, the same in every process, and one that goes moves only its own."""

import subprocess
import sys
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from tests.proxy.configurations import upstream

from gateway_config.callers import Caller
from gateway_proxy.identity.principal import Principal
from gateway_proxy.inference.affinity import affinity_key, in_order
from gateway_proxy.inference.standing import Binding

SESSIONS = [f"0199-{number:04x}-session".encode() for number in range(2000)]
MODEL = "claude-sonnet-5-5"


def routes(**weights: int) -> list[Any]:
    return [
        SimpleNamespace(standing=Binding(upstream(name).model_copy(update={"weight": weight})).standing(MODEL))
        for name, weight in weights.items()
    ]


def names(order: list[Any]) -> list[str]:
    return [route.standing.binding.name.removeprefix("claude/") for route in order]


def firsts(tier: list[Any]) -> dict[bytes, str]:
    return {session: names(in_order([tier], session))[0] for session in SESSIONS}


def test_equal_weights_share_alike() -> None:
    shares = Counter(firsts(routes(a=1, b=1, c=1, d=1)).values())
    assert all(430 < number < 570 for number in shares.values()), shares


def test_shares_follow_the_weights() -> None:
    shares = Counter(firsts(routes(a=1, b=3)).values())
    assert 430 < shares["a"] < 570, shares


def test_only_the_sessions_of_the_one_that_goes_move_and_they_spread() -> None:
    before, after = firsts(routes(a=1, b=1, c=1, d=1)), firsts(routes(a=1, b=1, d=1))
    assert all(after[session] == name for session, name in before.items() if name != "c")
    spread = Counter(after[session] for session, name in before.items() if name == "c")
    assert len(spread) == 3


def test_more_weight_takes_sessions_and_gives_none_away() -> None:
    before, after = firsts(routes(a=1, b=1, c=1)), firsts(routes(a=2, b=1, c=1))
    assert {after[session] for session, name in before.items() if name != after[session]} == {"a"}


def test_the_next_of_a_session_is_its_own_too() -> None:
    orders = {tuple(names(in_order([routes(a=1, b=1, c=1)], session))) for session in SESSIONS}
    assert len(orders) == 6


def test_priority_comes_first() -> None:
    tiers = [routes(high=1), routes(a=1, b=1000), routes(low=1)]
    for session in SESSIONS[:50]:
        order = names(in_order(tiers, session))
        assert (order[0], order[-1]) == ("high", "low")


def test_every_process_comes_to_the_same_order() -> None:
    """Whatever its hash seed is."""
    script = (
        "from tests.proxy.inference.test_affinity import SESSIONS, in_order, names, routes\n"
        "print([names(in_order([routes(a=1, b=2, c=1)], one)) for one in SESSIONS[:50]])"
    )
    said = [
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env={"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    here = [names(in_order([routes(a=1, b=2, c=1)], one)) for one in SESSIONS[:50]]
    assert {one.stdout.decode().strip() for one in said} == {str(here)}


@pytest.mark.parametrize(
    ("session", "principal", "key"),
    [
        ("s-1", Principal(caller=Caller(user="alice")), b"s-1"),
        (None, Principal(caller=Caller(user="alice")), b"alice"),
        ("", Principal(caller=Caller(user="alice")), b"alice"),
        (None, Principal(caller=None, passthrough_authorization="Bearer own"), b"Bearer own"),
        ("\udcff", Principal(caller=None), b"\xff"),
    ],
)
def test_the_session_decides_and_without_one_the_caller(session: str | None, principal: Principal, key: bytes) -> None:
    request: Any = SimpleNamespace(headers={} if session is None else {"x-claude-code-session-id": session})
    assert affinity_key(request, principal) == key
