"""Whatever stands in a manifest, `validate` answers with a model or with violations, never with a traceback."""

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_operator.api.v1alpha1 import InvalidObject, not_implemented, validate

CASES = Path(__file__).parents[1] / "crd" / "cases"
SOUND = [yaml.safe_load(path.read_text()) for path in sorted(CASES.rglob("accepted-*.yaml"))]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=6
)


@st.composite
def broken_manifests(draw: st.DrawFn) -> Any:
    """A sound manifest with something else in one to three places."""
    manifest = copy.deepcopy(draw(st.sampled_from(SOUND)))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = manifest
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = draw(st.sampled_from(list(keys)))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans() | st.just(True)):
                place = place[key]
                continue
            if isinstance(place, dict) and draw(st.booleans()):
                place[draw(scalars)] = draw(values)
            place[key] = draw(values)
            break
    return manifest


@settings(max_examples=500, deadline=None)
@given(broken_manifests())
def test_a_model_or_violations(manifest: dict[Any, Any]) -> None:
    try:
        not_implemented(validate(manifest))
    except InvalidObject as refused:
        violations = refused.violations
    else:
        return
    assert violations
    for path, message in violations:
        assert message
        assert (path + message).isprintable()
