"""Settings as a JavaScript client writes them: what RFC 8785 and ECMA-262 say of numbers, strings and order."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.policy.client_json import client_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (1e-6, "0.000001"),
        (1.5e-6, "0.0000015"),
        (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (5e-324, "5e-324"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (2**53, "9007199254740992"),
        (2**63 - 1, "9223372036854776000"),
        (333333333.33333329, "333333333.3333333"),
        (True, "true"),
        (None, "null"),
        ("\u20ac$\u000f\n\"\\/\x7f\u2028", '"\u20ac$\\u000f\\n\\"\\\\/\x7f\u2028"'),
        ({}, "{}"),
        ([], "[]"),
        ({"b": [1, {"d": 1, "c": 2}], "a": {"z": None}}, '{"a":{"z":null},"b":[1,{"c":2,"d":1}]}'),
        ({"\ufb33": 1, "\U0001f600": 2, "\u20ac": 3}, '{"\u20ac":3,"\U0001f600":2,"\ufb33":1}'),
    ],
)  # fmt: skip
def test_as_a_javascript_client_writes_it(value: Any, text: str) -> None:
    assert client_json(value) == text


scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
documents = st.recursive(
    scalars | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(documents)
def test_it_is_read_back_as_the_same_doubles(value: Any) -> None:
    def doubles(part: Any) -> Any:
        if isinstance(part, bool | str) or part is None:
            return part
        if isinstance(part, dict):
            return {name: doubles(item) for name, item in part.items()}
        return [doubles(item) for item in part] if isinstance(part, list) else float(part)

    assert doubles(json.loads(client_json(value))) == doubles(value)
