"""The same value has the same bytes, whatever order it was built in."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.config.strategies import configurations, json_values

from gateway_config.canonical import canonical_json, document, revision_of
from gateway_config.contract import Configuration


def shuffled(value: Any, draw: st.DrawFn) -> Any:
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {key: shuffled(value[key], draw) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, draw) for item in value]
    return value


@given(json_values, st.data())
def test_key_order_does_not_show(value: Any, data: st.DataObject) -> None:
    assert canonical_json(shuffled(value, data.draw)) == canonical_json(value)


@given(json_values)
def test_bytes_mean_the_value_and_hold_no_white_space(value: Any) -> None:
    written = canonical_json(value)
    assert json.loads(written) == value
    assert canonical_json(json.loads(written)) == written


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": [value]})


def test_text_stays_text() -> None:
    assert canonical_json({"ü": "é\n"}) == '{"ü":"é\\n"}'.encode()


@settings(max_examples=30)
@given(configurations())
def test_a_document_reads_back_as_the_configuration(made: tuple[Configuration, dict[str, str]]) -> None:
    configuration, _ = made
    assert Configuration.model_validate_json(document(configuration)) == configuration


@settings(max_examples=30)
@given(configurations())
def test_members_at_their_default_leave_no_trace(made: tuple[Configuration, dict[str, str]]) -> None:
    configuration, _ = made
    written = json.loads(document(configuration))
    assert written["contract"] == 1
    for model, source in zip(written["models"], configuration.models, strict=True):
        assert ("listed" in model) == (not source.listed)
    for policy, source_policy in zip(written.get("policies", []), configuration.policies, strict=True):
        assert ("models" in policy) == (source_policy.models is not None)


@settings(max_examples=30)
@given(configurations(), configurations())
def test_revisions_tell_configurations_apart(
    one: tuple[Configuration, dict[str, str]], other: tuple[Configuration, dict[str, str]]
) -> None:
    same = document(one[0]) == document(other[0])
    assert (revision_of(document(one[0])) == revision_of(document(other[0]))) == same
    assert (one[0] == other[0]) == same
