"""The models a gateway knows."""

import re
from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, gateway, policy, reasons, secret

from gateway_operator.compiler.catalogue import bedrock_regions, builtin_models, builtin_names


def test_the_built_in_models_in_the_order_they_are_shown() -> None:
    listed = [builtin.model for builtin in builtin_models().values() if builtin.model.listed]
    assert [model.id for model in listed] == [
        "claude-opus-4-6",
        "claude-sonnet-4-5-20250929",
        "claude-haiku-4-5-20251001",
        "claude-fable-5-2",
        "claude-fable-5-1",
        "claude-fable-5",
        "claude-opus-5-5",
        "claude-opus-5",
        "claude-opus-4-8",
        "claude-opus-4-7",
        "claude-opus-4-1-20250805",
        "claude-sonnet-5-5",
        "claude-sonnet-5",
        "claude-sonnet-4-6",
        "claude-haiku-5-5",
    ]
    assert len(builtin_models()) == len(listed) + 6
    names = {model.id: model.display_name for model in listed}
    assert names["claude-opus-5-5"] == "Claude Opus 5.5"
    assert names["claude-haiku-4-5-20251001"] == "Claude Haiku 4.5"


def test_every_entry_is_whole() -> None:
    for name, builtin in builtin_models().items():
        assert set(builtin.upstream_ids) == {"Anthropic", "Bedrock", "ClaudePlatformAWS", "VertexAI", "Foundry"}
        assert builtin.upstream_ids["Anthropic"] == name
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", builtin.model.created_at)
        assert re.fullmatch(r"Claude (Opus|Sonnet|Haiku|Fable) \d(\.\d)?", builtin.model.display_name)
        assert builtin.model.max_input_tokens in {None, 200_000, 1_000_000}


def test_every_prefix_is_of_a_geography_that_is_known() -> None:
    geographies = bedrock_regions()
    for builtin in builtin_models().values():
        assert builtin.bedrock_prefixes <= {*geographies, "global"}
        assert "us" in builtin.bedrock_prefixes
    for prefix in ("us", "eu", "jp", "au", "us-gov"):
        assert any(prefix in builtin.bedrock_prefixes for builtin in builtin_models().values())


def test_what_any_provider_calls_a_model_means_that_model() -> None:
    for name, builtin in builtin_models().items():
        for upstream_id in builtin.upstream_ids.values():
            for spelling in (upstream_id, f"{upstream_id}[1m]", upstream_id.upper()):
                assert builtin_names().canonical(spelling) == name
        bedrock = builtin.upstream_ids["Bedrock"]
        for region in ("us", "eu", "apac", "au", "jp", "in", "us-gov", "global"):
            assert builtin_names().canonical(f"{region}.{bedrock}") == name


def models(**spec: Any) -> Any:
    result = compiled(gateway(models=spec), binding(), policy(), secret())
    assert result.configuration is not None
    return result


def test_custom_models_come_behind_the_built_in_ones() -> None:
    result = models(custom=[{"id": "claude-internal-1", "displayName": "Internal 1", "maxInputTokens": 200000}])
    *builtin, custom = result.configuration.models
    assert len(builtin) == len(builtin_models())
    assert (custom.id, custom.display_name, custom.max_input_tokens) == ("claude-internal-1", "Internal 1", 200000)
    assert custom.id not in result.configuration.upstreams[0].models


def test_without_the_built_in_ones_only_the_custom_ones_are_left() -> None:
    result = models(builtin=False, custom=[{"id": "claude-internal-1"}, {"id": "claude-opus-5-5"}])
    assert [model.id for model in result.configuration.models] == ["claude-internal-1", "claude-opus-5-5"]
    assert result.configuration.models[1].created_at.startswith("2026-09-22")
    assert result.configuration.upstreams[0].models == {"claude-opus-5-5": "claude-opus-5-5"}


@pytest.mark.parametrize("spelling", ["claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-haiku-4-5@20251001"])
def test_a_custom_entry_that_spells_a_built_in_model_describes_it_anew(spelling: str) -> None:
    result = models(custom=[{"id": spelling, "displayName": "Small", "description": "cheap"}])
    assert len(result.configuration.models) == len(builtin_models())
    (haiku,) = [model for model in result.configuration.models if model.id == "claude-haiku-4-5-20251001"]
    assert (haiku.display_name, haiku.description, haiku.max_input_tokens) == ("Small", "cheap", 200_000)


def test_two_custom_entries_for_one_model_are_told() -> None:
    result = models(custom=[{"id": "Claude-Internal-1"}, {"id": "claude-internal-1"}])
    assert reasons(result.findings)["claude/corp"] == {"ModelDuplicate"}
    assert result.configuration.models[-1].id == "Claude-Internal-1"
