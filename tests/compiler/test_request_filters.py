"""What goes out of requests to an upstream: what is known of its type, and what its binding says."""

import re
from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, policy, secret

from gateway_config.contract import RequestFilter
from gateway_operator.api.v1alpha1.scalars import FIELD_PATH_PATTERN, LABEL_PATTERN
from gateway_operator.compiler import Finding
from gateway_operator.compiler.catalogue import builtin_models
from gateway_operator.compiler.filters import builtin_filters

CLOUDS: dict[str, dict[str, Any]] = {
    "Anthropic": {},
    "Bedrock": {"type": "Bedrock", "bedrock": {"region": "us-east-1", "podIdentity": {}}},
    "ClaudePlatformAWS": {
        "type": "ClaudePlatformAWS",
        "claudePlatformAWS": {"region": "us-east-1", "workspaceID": "w", "podIdentity": {}},
    },
    "VertexAI": {"type": "VertexAI", "vertexAI": {"projectID": "p", "region": "eu", "podIdentity": {}}},
    "Foundry": {"type": "Foundry", "foundry": {"resource": "r", "podIdentity": {}}},
}


def filters(provider: str, **asked: Any) -> tuple[dict[str, RequestFilter], tuple[Finding, ...]]:
    spec = {**CLOUDS[provider], **({"requestFilters": asked} if asked else {})}
    result = compiled(binding(**spec), policy(), secret())
    assert result.configuration is not None
    return {each.name: each for each in result.configuration.upstreams[0].filters}, result.findings


def test_every_built_in_filter_is_whole_and_has_a_source() -> None:
    for name, entry in builtin_filters().items():
        assert re.fullmatch(LABEL_PATTERN, name)
        assert entry["what"].endswith(".")
        assert set(entry["types"]) <= set(CLOUDS)
        assert entry.get("betas") or entry.get("fields")
        assert all(re.fullmatch(FIELD_PATH_PATTERN, path) for path in entry.get("fields", ()))
        assert set(entry.get("models", ())) <= set(builtin_models())
        assert entry["sources"]
        assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", source) for source in entry["sources"])


@pytest.mark.parametrize("provider", ["Anthropic", "ClaudePlatformAWS", "Foundry"])
def test_nothing_is_taken_out_where_everything_is_taken(provider: str) -> None:
    assert filters(provider) == ({}, ())


@pytest.mark.parametrize("provider", ["Bedrock", "VertexAI"])
def test_the_parts_of_caching_that_clouds_refuse(provider: str) -> None:
    found, findings = filters(provider)
    assert findings == ()
    assert found["cache-scope"].fields == ("**.cache_control.scope",)
    assert found["cache-scope"].betas == ("prompt-caching-scope-2026-01-05",)
    assert found["automatic-caching"].fields == ("cache_control",)
    assert found["effort"].models
    assert "claude-opus-4-6" not in found["effort"].models


def test_a_binding_keeps_what_its_upstream_takes() -> None:
    usual, _ = filters("Bedrock")
    found, findings = filters("Bedrock", keep=["effort", "cache-scope"])
    assert set(usual) - set(found) == {"effort", "cache-scope"}
    assert findings == ()


def test_a_filter_that_is_not_built_in_is_told_with_those_that_are() -> None:
    found, (finding,) = filters("Bedrock", keep=["cache-scopes"])
    assert "cache-scope" in found
    assert (finding.path, finding.reason) == ("spec.requestFilters.keep[0]", "FilterUnknown")
    assert "cache-scope, automatic-caching" in finding.message


def test_what_a_binding_drops_comes_behind_with_its_models_canonical() -> None:
    spelled = ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5", "Claude-Opus-5[1m]"]
    dropped = {"betas": ["fast-mode-2026-02-01"], "fields": ["speed"], "models": spelled}
    found, findings = filters("Anthropic", drop=[dropped, {"fields": ["**.source.title"]}])
    assert findings == ()
    assert found == {
        "drop[0]": RequestFilter(
            name="drop[0]",
            models=("claude-sonnet-4-5-20250929", "claude-opus-5"),
            betas=("fast-mode-2026-02-01",),
            fields=("speed",),
        ),
        "drop[1]": RequestFilter(name="drop[1]", fields=("**.source.title",)),
    }


def test_names_that_mean_no_model_do_not_turn_into_every_model() -> None:
    found, findings = filters(
        "Anthropic",
        drop=[
            {"fields": ["speed"], "models": ["claude-opus-9"]},
            {"fields": ["tier"], "models": ["claude-opus-9", "claude-opus-5"]},
        ],
    )
    assert {name: each.models for name, each in found.items()} == {"drop[1]": ("claude-opus-5",)}
    assert [(each.path, each.reason) for each in findings] == [
        ("spec.requestFilters.drop[0].models[0]", "ModelUnknown"),
        ("spec.requestFilters.drop[1].models[0]", "ModelUnknown"),
    ]
