"""What a caller may do: models in any spelling, and the upstreams that are tried for them."""

import gc
import sys
from typing import Any

import pytest
from tests.proxy.configurations import (
    ALICE_KEY,
    BASE,
    BOB_KEY,
    IDS,
    UPSTREAM_KEY,
    configuration,
    developer_key,
    files,
    policy,
    upstream,
)

from gateway_config import bundle
from gateway_config.callers import Caller
from gateway_config.contract import Policy
from gateway_config.upstream_credentials import values_of
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.principal import Principal
from gateway_proxy.policy.effective import MAX_CACHED_SPELLINGS, EffectivePolicy
from gateway_proxy.providers import Pools
from gateway_proxy.telemetry.metrics import Metrics

OPUS, SONNET, HAIKU = IDS


async def live(**members: Any) -> LiveConfiguration:
    """Made on an event loop, because the pools need one."""
    compiled = configuration(**members)
    index = bundle.Index.model_validate_json(files(compiled)[bundle.INDEX_FILE])
    credentials = {value.name: UPSTREAM_KEY for one in compiled.upstreams for value in values_of(one.credential)}
    loaded = bundle.Bundle(index=index, configuration=compiled, credentials=credentials)
    return LiveConfiguration(loaded, pools=Pools(), series=Metrics().series)


async def effective(key: str = ALICE_KEY, **members: Any) -> EffectivePolicy:
    made = await live(**members)
    return made.policy_of(await made.authenticate(None, key))


def refusal(found: EffectivePolicy, name: str) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        found.model(name)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    return caught.value


@pytest.mark.parametrize(
    "name", ["claude-haiku-4-5", "CLAUDE-haiku-4-5[1m]", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"]
)
async def test_a_model_in_any_spelling(name: str) -> None:
    found = await effective(base=Policy(name="claude/everyone", models=(HAIKU,)))
    assert found.model(name).id == HAIKU
    assert found.model(name) is found.model(HAIKU)


async def test_a_denied_model_names_those_that_are_open() -> None:
    found = await effective(base=Policy(name="claude/everyone", models=(SONNET, HAIKU)))
    error = refusal(found, OPUS)
    assert error.reason == "ModelNotAllowed"
    assert error.message == (
        f'model "{OPUS}" is not open to you on this gateway: use {SONNET}, {HAIKU} (/model in Claude Code), '
        "or ask your gateway's administrator for it"
    )


async def test_an_unknown_model() -> None:
    assert refusal(await effective(), "gpt-5").reason == "ModelUnknown"
    assert "no other is" in refusal(await effective(base=Policy(name="claude/none", models=())), "gpt-5").message


@pytest.mark.parametrize("name", ["x" * 1_000_000, "line\nbreak\x1b[31m\x00", "\ud800", ""])
async def test_a_strange_name_is_shown_safely(name: str) -> None:
    error = refusal(await effective(), name)
    assert len(error.message) < 600
    assert error.message.isprintable()
    error.message.encode()


async def test_a_granted_model_that_no_upstream_serves() -> None:
    found = await effective(upstreams=(upstream(models={SONNET: "s"}),))
    assert refusal(found, OPUS).reason == "ModelWithoutUpstream"
    assert [model.id for model in found.allowed_models] == [SONNET]


async def test_routes_keep_the_configured_order_and_the_upstream_s_ids() -> None:
    found = await effective(
        upstreams=(
            upstream("first", models={SONNET: "arn:first"}),
            upstream("second", models={OPUS: "other"}),
            upstream("third", models={SONNET: "third-sonnet"}, priority=1),
        )
    )
    routes = found.model(SONNET).routes
    assert [(route.client.name, route.model) for route in routes] == [
        ("claude/first", "arn:first"),
        ("claude/third", "third-sonnet"),
    ]
    assert routes[0].series.model == SONNET


async def test_a_policy_s_upstreams_only() -> None:
    found = await effective(
        base=Policy(name="claude/everyone", upstreams=("claude/second",)),
        upstreams=(upstream("first"), upstream("second")),
    )
    assert [route.client.name for route in found.model(SONNET).routes] == ["claude/second"]


async def test_the_first_match_decides() -> None:
    bob = developer_key(BOB_KEY, user="bob@corp.example")
    policies = (
        policy("one", user="bob@corp.example", models=(HAIKU,)),
        policy("two", user="bob@corp.example", models=(OPUS,)),
    )
    found = await effective(BOB_KEY, policies=policies, developer_keys=(bob,))
    assert found.policy.name == "claude/one"
    assert [model.id for model in found.allowed_models] == [HAIKU]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"base": None}, "NoPolicy"),
        ({"base": Policy(name="claude/closed", access="Deny")}, "AccessDenied"),
        ({"policies": (policy("leavers", user="alice@corp.example", access="Deny"),)}, "AccessDenied"),
        ({"policies": (policy("broken", user="alice@corp.example", invalid="spec.x"),)}, "PolicyInvalid"),
    ],
)
async def test_who_is_denied(members: dict[str, Any], reason: str) -> None:
    made = await live(**members)
    alice = await made.authenticate(None, ALICE_KEY)
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            made.policy_of(alice)
        assert (caught.value.status, caught.value.type, caught.value.reason) == (403, "permission_error", reason)


async def test_a_passed_through_login_gets_the_base_layer_only() -> None:
    policies = (policy("everyone-there-is", user="alice@corp.example", models=(OPUS,)),)
    made = await live(subscription_passthrough=True, policies=policies)
    login = await made.authenticate("Bearer sk-ant-oat01-x", None)
    assert made.policy_of(login).policy == BASE


async def test_invented_spellings_do_not_fill_the_memory() -> None:
    found = await effective()
    variants = ["".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate(SONNET))
                for number in range(4 * MAX_CACHED_SPELLINGS)]  # fmt: skip
    for name in variants:
        assert found.model(name).id == SONNET
    size = sys.getsizeof(found._grant._by_spelling)
    for name in variants:
        found.model(name + "[1m]")
    assert sys.getsizeof(found._grant._by_spelling) == size
    assert len(found._grant._by_spelling) <= len(IDS) + MAX_CACHED_SPELLINGS


async def test_logins_do_not_fill_the_memory() -> None:
    made = await live(subscription_passthrough=True)
    for number in range(100):
        made.policy_of(await made.authenticate(f"Bearer sk-ant-oat01-{number}", None))
    assert len(made._by_principal) == 0


async def test_callers_that_are_over_leave_nothing_behind() -> None:
    made = await live()
    callers = [Principal(caller=Caller(user=f"user-{number}")) for number in range(25)]
    assert {made.policy_of(caller).policy.name for caller in callers} == {BASE.name}
    assert len(made._by_principal) == 25
    callers.clear()
    gc.collect()
    assert len(made._by_principal) == 0
