"""Who may do what, and which object said so: the same answer as the proxy's, taken apart."""

import pytest
from tests.compiler.manifests import CORP, binding, compiled, gateway, policy, secret, snapshot

from gateway_config import denials
from gateway_config.callers import Caller
from gateway_operator.compiler import Compiled, Explanation, ObjectRef, compile_gateway, explain

ALICE = Caller(user="alice@corp.example", groups=frozenset({"dev"}))
EVE = Caller(user="eve@partner.example", groups=frozenset({"contractors"}))
BOB = Caller(user="bob@corp.example", groups=frozenset({"finance"}))


def ref(name: str) -> ObjectRef:
    return ObjectRef("GatewayPolicy", "claude", name)


@pytest.fixture(name="world", scope="module")
def _world() -> Compiled:
    return compiled(
        gateway(models={"custom": [{"id": "claude-internal-1", "displayName": "Internal 1"}]}),
        binding("main", priority=10, models=[{"id": "claude-opus-5", "upstreamID": "opus-eu"}]),
        binding("spare"),
        binding("small", onlyListedModels=True, models=[{"id": "claude-haiku-5-5"}]),
        binding("keyless", anthropic={"apiKeySecretRef": {"name": "gone", "key": "k"}}),
        secret(),
        policy(
            "base",
            availableModels=["claude-opus-5", "claude-haiku-5-5"],
            settings={"permissions": {"deny": ["WebFetch"]}, "env": {"A": "1", "B": "1"}, "model": "opus"},
            rateLimits={"requestsPerMinute": 60, "openStreams": 8},
        ),
        policy(
            "contractors", priority=50, access="Deny", matches=[{"groups": ["contractors"]}, {"users": ["mallory"]}]
        ),
        policy("broken", priority=40, matches=[{"users": ["carol@corp.example"]}], color="red"),
        policy(
            "dev",
            priority=10,
            matches=[{"groups": ["dev"], "emailDomains": ["corp.example"]}],
            providers=[{"name": "spare"}, {"name": "small"}],
            availableModels=["claude-opus-5", "claude-haiku-5-5", "claude-internal-1"],
            settings={"permissions": {"deny": ["Bash"]}, "env": {"B": "2"}},
            rateLimits={"openStreams": 2},
        ),
    )


def test_the_policy_and_why_the_ones_before_it_did_not_match(world: Compiled) -> None:
    answer = explain(world, ALICE)
    assert (answer.gateway, answer.policy, answer.layer) == ("claude/corp", "claude/dev", "Match")
    assert (answer.access, answer.sentence) == ("Allow", None)
    assert [(each.policy, each.why) for each in answer.passed_over] == [
        ("claude/contractors", "matches[0]: groups asks for contractors; matches[1]: users asks for mallory"),
        ("claude/broken", "matches[0]: users asks for carol@corp.example"),
    ]


def test_an_entry_tells_every_member_that_fails(world: Compiled) -> None:
    *_, last = explain(world, Caller(user="x@elsewhere.example")).passed_over
    assert last.why == "matches[0]: groups asks for dev and emailDomains asks for corp.example"


def test_which_object_gave_each_part(world: Compiled) -> None:
    assert explain(world, ALICE).sources == {
        "availableModels": (ref("dev"),),
        "providers": (ref("dev"),),
        "rateLimits.requestsPerMinute": (ref("base"),),
        "rateLimits.openStreams": (ref("dev"),),
        "settings.permissions.deny": (ref("base"), ref("dev")),
        "settings.env.A": (ref("base"),),
        "settings.env.B": (ref("dev"),),
        "settings.model": (ref("base"),),
        "settings.availableModels": (ref("dev"),),
    }
    assert explain(world, ALICE).rate_limits == {"requestsPerMinute": 60, "openStreams": 2}
    base = explain(world, BOB)
    assert (base.policy, base.layer) == ("claude/base", "Base")
    assert set(base.sources.values()) == {(ref("base"),)}


def test_the_settings_that_the_client_gets(world: Compiled) -> None:
    assert explain(world, ALICE).settings == {
        "permissions": {"deny": ["WebFetch", "Bash"]},
        "env": {"A": "1", "B": "2"},
        "model": "opus",
        "availableModels": ["claude-opus-5", "claude-haiku-5-5", "claude-internal-1"],
    }


def test_models_with_the_upstreams_that_serve_them(world: Compiled) -> None:
    assert [(model.id, model.display_name, model.upstreams) for model in explain(world, ALICE).models] == [
        ("claude-opus-5", "Claude Opus 5", ("claude/spare",)),
        ("claude-haiku-5-5", "Claude Haiku 5.5", ("claude/small", "claude/spare")),
        ("claude-internal-1", "Internal 1", ()),
    ]


def route(answer: Explanation) -> list[tuple[str, str]]:
    assert answer.model is not None
    return [(hop.upstream, hop.model) for hop in answer.model.route]


def test_the_route_of_one_model_and_what_is_not_on_it(world: Compiled) -> None:
    answer = explain(world, BOB, "claude-opus-5[1m]")
    assert answer.model is not None
    assert (answer.model.asked, answer.model.id, answer.model.sentence) == ("claude-opus-5[1m]", "claude-opus-5", None)
    assert route(answer) == [("claude/main", "opus-eu"), ("claude/spare", "claude-opus-5")]
    skipped = {each.upstream: each.why for each in answer.model.skipped}
    assert set(skipped) == {"claude/small", "claude/keyless"}
    assert "does not serve the model" in skipped["claude/small"]
    assert "Secret claude/gone does not exist" in skipped["claude/keyless"]
    assert (
        "providers" in {e.upstream: e.why for e in explain(world, ALICE, "claude-opus-5").model.skipped}["claude/main"]
    )  # type: ignore[union-attr]  # a model was asked for


@pytest.mark.parametrize(
    ("caller", "model", "sentence"),
    [
        (BOB, "claude-sonnet-5", denials.model_not_allowed("claude-sonnet-5", ["claude-opus-5", "claude-haiku-5-5"])),
        (BOB, "gpt-9", denials.model_unknown("gpt-9", ["claude-opus-5", "claude-haiku-5-5"])),
        (ALICE, "claude-internal-1", denials.model_without_upstream("claude-internal-1")),
        (EVE, "claude-opus-5", denials.access_denied("claude/contractors")),
        (Caller(user="Carol@Corp.example"), "claude-opus-5", denials.policy_invalid("claude/broken")),
    ],
)
def test_the_sentence_that_the_developer_would_read(world: Compiled, caller: Caller, model: str, sentence: str) -> None:
    answer = explain(world, caller, model)
    assert answer.model is not None
    assert answer.model.sentence == sentence
    assert answer.model.route == ()


def test_a_refused_caller_is_told_without_a_model(world: Compiled) -> None:
    assert explain(world, EVE).sentence == denials.access_denied("claude/contractors")
    assert explain(world, EVE).sources["access"] == (ref("contractors"),)
    nobody = explain(compiled(policy("dev", matches=[{"groups": ["dev"]}]), binding(), secret()), BOB, "claude-opus-5")
    assert (nobody.policy, nobody.layer, nobody.sentence) == (None, "None", denials.no_policy())
    assert nobody.model is not None
    assert nobody.model.sentence == denials.no_policy()


def test_a_gateway_without_configuration_cannot_be_explained() -> None:
    with pytest.raises(ValueError, match="findings"):
        explain(compile_gateway(snapshot(), CORP), ALICE)


def limit(amount: str, *, period: str = "Monthly", scope: str = "PerUser") -> dict[str, str]:
    return {"period": period, "amountUSD": amount, "scope": scope}


@pytest.mark.parametrize(("mode", "group"), [("Min", "20"), ("Max", "100")])
def test_caps_come_from_all_matching_policies(mode: str, group: str) -> None:
    team = [limit("100"), limit("500", scope="Pool")]
    users = [{"users": ["alice@corp.example"]}]
    result = compile_gateway(
        snapshot(
            gateway(spend={"groupLimitMode": mode}),
            binding(),
            secret(),
            policy("base", spendLimits=[limit("5"), limit("1", period="Daily")]),
            policy("dev", priority=1, matches=[{"groups": ["dev"]}], spendLimits=team),
            policy("all", priority=2, matches=[{"emailDomains": ["corp.example"]}], spendLimits=[limit("20")]),
            policy("alice", priority=3, matches=users, spendLimits=[limit("7", period="Weekly")]),
            policy("others", priority=4, matches=[{"groups": ["finance"]}], spendLimits=[limit("0")]),
        ),
        CORP,
        store_default="Embedded",
    )
    told = explain(result, ALICE).caps
    caps = {(cap.period, cap.amount_usd): (cap.kind, cap.source.name, cap.in_force) for cap in told}
    assert caps == {
        ("Monthly", "5"): ("Default", "base", False),
        ("Daily", "1"): ("Default", "base", True),
        ("Monthly", "100"): ("Group", "dev", group == "100"),
        ("Monthly", "500"): ("Pool", "dev", True),
        ("Monthly", "20"): ("Group", "all", group == "20"),
        ("Weekly", "7"): ("Override", "alice", True),
    }
