"""A policy's settings laid over the base layer's."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_operator.compiler.merge import (
    MAX_DEPTH,
    TABLE,
    Rule,
    Settings,
    merge_settings,
    settings_problems,
    settings_sources,
)

UNITED = [row.path for row in TABLE if row.rule is Rule.UNITE]
REPLACED = [row.path for row in TABLE if row.rule is Rule.REPLACE]
SHALLOW = [row.path for row in TABLE if row.rule is Rule.SHALLOW]

entries = st.lists(st.sampled_from(["A", "B", "C", 1, True, {"x": 1}, {"x": True}]), max_size=4)
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b"]) | st.lists(st.integers(0, 3))
maps = st.dictionaries(st.sampled_from("KLM"), st.sampled_from(["1", "2", ""]), max_size=3)


def put(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.replace("*", "PreToolUse").split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    document[last] = value


def get(document: Settings, path: str) -> Any:
    value: Any = document
    for key in path.replace("*", "PreToolUse").split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for path in draw(st.lists(st.sampled_from(UNITED + REPLACED), max_size=6)):
        put(document, path, draw(entries))
    for path in draw(st.lists(st.sampled_from(SHALLOW), max_size=2)):
        put(document, path, draw(maps))
    others = ["model", "permissions.defaultMode", "sandbox.enabled", "sandbox.network.httpProxyPort", "statusLine"]
    for path in draw(st.lists(st.sampled_from(others), max_size=3)):
        put(document, path, draw(scalars))
    for section in draw(st.lists(st.sampled_from(["permissions", "sandbox", "hooks"]), max_size=2)):
        document.setdefault(section, {})
    assert not settings_problems(document)
    return document


def merged(base: Settings | None, specific: Settings | None) -> Settings:
    result = merge_settings(base, specific)
    assert result is not None
    return result


def same_entry(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@given(documents(), documents())
def test_deny_lists_never_shrink(base: Settings, specific: Settings) -> None:
    result = merged(base, specific)
    for path in UNITED:
        together = get(result, path) or []
        for entry in (*(get(base, path) or []), *(get(specific, path) or [])):
            assert any(same_entry(entry, kept) for kept in together), path
        for entry in together:
            either = (*(get(base, path) or []), *(get(specific, path) or []))
            assert any(same_entry(entry, given) for given in either)


@given(documents(), documents())
def test_allow_lists_are_the_specific_policys_or_the_bases(base: Settings, specific: Settings) -> None:
    result = merged(base, specific)
    for path in REPLACED:
        wanted = get(specific, path)
        assert get(result, path) == (get(base, path) if wanted is None else wanted)


@given(documents(), documents())
def test_maps_merge_key_by_key(base: Settings, specific: Settings) -> None:
    result = merged(base, specific)
    for path in SHALLOW:
        assert (get(result, path) or {}) == {**(get(base, path) or {}), **(get(specific, path) or {})}


@given(documents(), documents())
def test_of_every_other_key_the_specific_value_stands(base: Settings, specific: Settings) -> None:
    result = merged(base, specific)
    for path in ("model", "statusLine", "permissions.defaultMode", "sandbox.enabled", "sandbox.network.httpProxyPort"):
        *parents, last = path.split(".")
        holder: Any = get(specific, ".".join(parents)) if parents else specific
        said = isinstance(holder, dict) and last in holder
        assert get(result, path) == get(specific if said else base, path)


@given(documents())
def test_an_empty_layer_changes_nothing(document: Settings) -> None:
    assert merged({}, document) == document
    assert merged(document, {}) == document
    assert merged(None, document) == document
    assert merged(document, None) == document
    assert merged(document, document) == document
    assert merge_settings(None, None) is None


@given(documents(), documents(), documents())
def test_layers_may_be_merged_from_either_end(one: Settings, two: Settings, three: Settings) -> None:
    assert merged(merged(one, two), three) == merged(one, merged(two, three))


@given(documents(), documents())
def test_inputs_stay_as_they_were_and_the_result_is_well_formed(base: Settings, specific: Settings) -> None:
    before = copy.deepcopy((base, specific))
    result = merged(base, specific)
    assert (base, specific) == before
    assert not settings_problems(result)
    assert repr(merged(base, specific)) == repr(result)


def test_an_example_of_each_rule() -> None:
    base = {
        "permissions": {"deny": ["WebFetch"], "allow": ["Read", "Bash(ls:*)"], "defaultMode": "plan"},
        "hooks": {"PreToolUse": [{"matcher": "*", "hooks": [{"type": "command", "command": "audit"}]}]},
        "env": {"DISABLE_AUTOUPDATER": "1", "TEAM": "none"},
        "sandbox": {"network": {"deniedDomains": ["evil.example"], "allowedDomains": ["a.example", "b.example"]}},
        "companyAnnouncements": ["Welcome"],
    }
    specific = {
        "permissions": {"deny": ["Bash(curl:*)", "WebFetch"], "allow": ["Read"]},
        "hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": []}], "Stop": [{"hooks": []}]},
        "env": {"TEAM": "contractors"},
        "sandbox": {"network": {"allowedDomains": ["a.example"]}, "enabled": True},
        "companyAnnouncements": ["Hello, contractors"],
    }
    assert merge_settings(base, specific) == {
        "permissions": {"deny": ["WebFetch", "Bash(curl:*)"], "allow": ["Read"], "defaultMode": "plan"},
        "hooks": {
            "PreToolUse": [
                {"matcher": "*", "hooks": [{"type": "command", "command": "audit"}]},
                {"matcher": "Bash", "hooks": []},
            ],
            "Stop": [{"hooks": []}],
        },
        "env": {"DISABLE_AUTOUPDATER": "1", "TEAM": "contractors"},
        "sandbox": {"network": {"deniedDomains": ["evil.example"], "allowedDomains": ["a.example"]}, "enabled": True},
        "companyAnnouncements": ["Hello, contractors"],
    }
    assert settings_sources([("base", base), ("team", specific)]) == {
        "permissions.deny": ("base", "team"),
        "permissions.allow": ("team",),
        "permissions.defaultMode": ("base",),
        "hooks.PreToolUse": ("base", "team"),
        "hooks.Stop": ("team",),
        "env.DISABLE_AUTOUPDATER": ("base",),
        "env.TEAM": ("team",),
        "sandbox.network.deniedDomains": ("base",),
        "sandbox.network.allowedDomains": ("team",),
        "sandbox.enabled": ("team",),
        "companyAnnouncements": ("team",),
    }


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ({"mcpServers": {}}, "spec.settings.mcpServers", "takes no mcpServers"),
        ({"availableModels": ["x"]}, "spec.settings.availableModels", "move it there"),
        ({"permissions": None}, "spec.settings.permissions", "must be an object, is null"),
        ({"permissions": []}, "spec.settings.permissions", "must be an object, is a list"),
        ({"permissions": {"deny": "WebFetch"}}, "spec.settings.permissions.deny", "must be a list, is a string"),
        ({"permissions": {"deny": None}}, "spec.settings.permissions.deny", "must be a list, is null"),
        ({"sandbox": {"network": 1}}, "spec.settings.sandbox.network", "must be an object, is a number"),
        ({"hooks": {"Stop": {}}}, "spec.settings.hooks.Stop", "must be a list, is an object"),
        ({"env": ["A=1"]}, "spec.settings.env", "must be an object, is a list"),
        ({"x": float("nan")}, "spec.settings.x", "not a finite number"),
        ({"x": [10**30]}, "spec.settings.x[0]", "beyond 64 bits"),
        ({"x": {1: 2}}, "spec.settings.x", "has the key 1"),
        ({"x": "\ud800"}, "spec.settings.x", "without a UTF-8 form"),
        ({"\ud800": 1}, "spec.settings", "has the key"),
        ({"x": {1, 2}}, "spec.settings.x", "put it in quotation marks"),
        ({"x": deep(MAX_DEPTH)}, "spec.settings.x" + ".x" * (MAX_DEPTH - 1), "nested deeper"),
        ({"x": deep(100_000)}, "spec.settings.x" + ".x" * (MAX_DEPTH - 1), "nested deeper"),
    ],
)
def test_what_cannot_be_merged_is_named(settings: Settings, path: str, words: str) -> None:
    ((found, message),) = settings_problems(settings)
    assert found == path
    assert words in message


def test_every_row_of_the_table_says_why() -> None:
    assert len({row.path for row in TABLE}) == len(TABLE)
    assert all(row.why.endswith(".") for row in TABLE)
