"""One canonical id per model, whatever spelling a client uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_config.contract import Model
from gateway_config.models import ModelNames, listed_models


def model(name: str, *spellings: str, listed: bool = True) -> Model:
    return Model(id=name, display_name=name, created_at="1970-01-01T00:00:00Z", spellings=spellings, listed=listed)


MODELS = (
    model("claude-sonnet-4-5-20250929"),
    model("claude-opus-4-1-20250805"),
    model("claude-opus-4-20250514", "claude-opus-4-0"),
    model("claude-opus-5-5"),
    model("claude-opus-5"),
    model("claude-3-5-sonnet-20241022", "claude-3-5-sonnet-v2@20241022", listed=False),
    model("Internal-1"),
)
NAMES = ModelNames(MODELS)


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("Claude-Opus-5-5", "claude-opus-5-5"),
        ("claude-opus-5-5[1m]", "claude-opus-5-5"),
        ("claude-opus-5-5[1M]", "claude-opus-5-5"),
        ("claude-opus-5", "claude-opus-5"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-5-20250929[1m]", "claude-sonnet-4-5-20250929"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("eu.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("apac.anthropic.claude-opus-5-5-v1", "claude-opus-5-5"),
        ("au.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("jp.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("in.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("us-gov.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("global.anthropic.claude-opus-5-5-v1:0[1m]", "claude-opus-5-5"),
        ("claude-opus-4", "claude-opus-4-20250514"),
        ("claude-opus-4-0", "claude-opus-4-20250514"),
        ("claude-opus-4-1", "claude-opus-4-1-20250805"),
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet-20241022"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet-20241022"),
        ("INTERNAL-1", "Internal-1"),
    ],
)
def test_a_spelling_means_its_model(spelling: str, canonical: str) -> None:
    assert NAMES.canonical(spelling) == canonical


@pytest.mark.parametrize(
    "name",
    [
        "",
        "[1m]",
        "opus",
        "claude",
        "claude-opus-5-6",
        "claude-opus-4-1-20250806",
        "claude-opus-5-5[1m][1m]",
        "claude-opus-5-5 ",
        "claude-opus-5-5-v1:0",
        "moon.anthropic.claude-opus-5-5",
        "anthropic.anthropic.claude-opus-5-5",
        "claude-opus-5-5\u0130",
        "\u212alaude-opus-5-5",
        "claude-so\u212anet-4-5",
    ],
)
def test_other_names_mean_none(name: str) -> None:
    assert NAMES.canonical(name) is None


def test_an_id_beats_another_models_spelling() -> None:
    names = ModelNames([model("a", "b"), model("b"), model("c-20250101"), model("c")])
    assert names.canonical("b") == "b"
    assert names.canonical("c") == "c"
    assert names.canonical("c-20250101") == "c-20250101"


@given(st.lists(st.text(max_size=20).map(model), max_size=5), st.text(max_size=40))
def test_no_name_is_too_strange(models: list[Model], name: str) -> None:
    found = ModelNames(models).canonical(name)
    assert found is None or found in {each.id for each in models}


@given(st.sampled_from(MODELS), st.sampled_from(["", "us.anthropic.", "anthropic."]), st.booleans(), st.booleans())
def test_every_form_of_every_id(each: Model, prefix: str, upper: bool, long: bool) -> None:
    name = prefix + each.id + ("[1m]" if long else "")
    assert NAMES.canonical(name.upper() if upper else name) == each.id


def test_older_models_are_listed_only_where_a_policy_names_them() -> None:
    old = "claude-3-5-sonnet-20241022"
    assert old not in {each.id for each in listed_models(MODELS, None)}
    assert [each.id for each in listed_models(MODELS, ("claude-opus-5", old))] == ["claude-opus-5", old]
    assert listed_models(MODELS, ()) == ()
