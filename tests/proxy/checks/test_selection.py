"""Which models a check tries: those that people may use, the cheapest and newest first."""

from gateway_config.contract import Configuration, GatewayIdentity, Limits, Model, Policy, Timeouts, Upstream
from gateway_config.upstream_credentials import StaticCredential
from gateway_proxy.checks.selection import MODELS_TRIED, Selection, selection

DATES = {
    "claude-opus-5": "2026-05-01",
    "claude-opus-5-5": "2026-09-01",
    "claude-sonnet-5": "2026-04-01",
    "claude-sonnet-5-5": "2026-08-01",
    "claude-haiku-5-5": "2026-10-01",
    "claude-internal-1": "2025-01-01",
}
MODELS = tuple(Model(id=name, display_name=name, created_at=f"{date}T00:00:00Z") for name, date in DATES.items())
UPSTREAM = Upstream(
    name="claude/anthropic",
    type="Anthropic",
    priority=0,
    base_url="https://api.anthropic.com",
    credential=StaticCredential(kind="ApiKey", name="claude/anthropic", sha256="0" * 64),
    models={name: name for name in DATES},
    timeouts=Timeouts(connect_seconds=1, first_byte_seconds=1, idle_seconds=1),
)


def tried(
    *policies: Policy, named: tuple[str, ...] = (), everything: bool = False, upstream: Upstream = UPSTREAM
) -> Selection:
    configuration = Configuration(
        gateway=GatewayIdentity(namespace="claude", name="corp", public_url="https://claude.corp.example"),
        limits=Limits(max_request_bytes=1, max_buffered_bytes=1, drain_seconds=1),
        models=MODELS,
        upstreams=(upstream,),
        policies=policies,
    )
    return selection(configuration, upstream, named=named, everything=everything)


def policy(*models: str, **members: object) -> Policy:
    return Policy.model_validate({"name": "claude/some", "models": models or None, **members})


def test_one_of_each_family_comes_first() -> None:
    found = tried(policy())
    assert found.tried == ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-internal-1")
    assert found.left_out == ("claude-sonnet-5", "claude-opus-5")
    assert len(found.tried) == MODELS_TRIED
    assert len(tried(policy(), everything=True).tried) == len(DATES)


def test_what_a_policy_names_comes_first() -> None:
    found = tried(policy("claude-opus-5"), policy())
    assert found.tried[:2] == ("claude-opus-5", "claude-haiku-5-5")


def test_only_what_somebody_may_use_of_this_upstream() -> None:
    assert tried(policy("claude-opus-5"), policy("claude-sonnet-5", access="Deny")).tried == ("claude-opus-5",)
    assert tried(policy("claude-opus-5", upstreams=["claude/other"]), policy("claude-haiku-5-5")).tried == (
        "claude-haiku-5-5",
    )
    assert tried(policy("claude-opus-5", invalid="broken"), policy("claude-sonnet-5")).tried == ("claude-sonnet-5",)


def test_without_a_policy_the_cheapest_shows_whether_the_credential_is_good() -> None:
    found = tried()
    assert (found.tried, found.note) == (("claude-haiku-5-5",), "no policy opens a model of it to anybody")


def test_those_that_somebody_asks_for() -> None:
    assert tried(policy("claude-opus-5"), named=("claude-sonnet-5",)).tried == ("claude-sonnet-5",)
    nothing = tried(policy(), named=("claude-sonnet-5",), upstream=UPSTREAM.model_copy(update={"models": {}}))
    assert (nothing.tried, nothing.note) == ((), "it serves none of the models asked for")


def test_an_upstream_that_serves_nothing() -> None:
    found = tried(policy(), upstream=UPSTREAM.model_copy(update={"models": {}}))
    assert (found.tried, found.note) == ((), "it serves no model")
