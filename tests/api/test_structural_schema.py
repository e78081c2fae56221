"""The converter keeps every bound, and refuses what it does not know with the place."""

from typing import Any

import pytest

from gateway_operator.crdgen.structural import UnsupportedSchema, structural_schema


def _field(schema: dict[str, Any], **definitions: Any) -> Any:
    root = {"type": "object", "properties": {"field": schema}, "$defs": definitions}
    return structural_schema(root)["properties"]["field"]


def test_a_reference_is_resolved_and_the_fields_own_words_win() -> None:
    assert _field({"$ref": "#/$defs/Size", "description": "How large."}, Size={"type": "integer", "minimum": 1}) == {
        "description": "How large.",
        "type": "integer",
        "minimum": 1,
    }


def test_an_optional_value_loses_its_null() -> None:
    optional = {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}], "default": None, "title": "Field"}
    assert _field(optional) == {"type": "string", "maxLength": 5}


def test_a_constant_is_an_enum_of_one() -> None:
    assert _field({"const": "A", "type": "string"}) == {"type": "string", "enum": ["A"]}


def test_exclusive_bounds_become_flags() -> None:
    assert _field({"type": "integer", "exclusiveMinimum": 0}) == {
        "type": "integer",
        "minimum": 0,
        "exclusiveMinimum": True,
    }


def test_a_map_keeps_the_schema_of_its_values() -> None:
    values = {"type": "string", "maxLength": 63}
    schema = {"type": "object", "additionalProperties": values, "maxProperties": 4}
    assert _field(schema) == {"type": "object", "additionalProperties": values, "maxProperties": 4}


def test_defaults_and_examples_are_told_in_the_description() -> None:
    schema = {"type": "integer", "description": "Share.", "default": 1, "examples": [3]}
    assert _field(schema) == {"description": "Share. Default: 1. Example: 3.", "type": "integer", "default": 1}


@pytest.mark.parametrize("default", [{"a": 1}, [], "", None, [{"a": 1}]])
def test_objects_and_nothing_are_no_defaults(default: Any) -> None:
    assert "default" not in _field({"type": "string", "default": default})


def test_a_number_or_string_has_types_in_its_branches_only() -> None:
    assert _field({"x-kubernetes-int-or-string": True, "pattern": "^a$", "maximum": 3}) == {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
        "maximum": 3,
        "pattern": "^a$",
    }


def test_rules_are_kept() -> None:
    rules = [{"rule": "self > 1", "message": "more"}]
    assert _field({"type": "integer", "x-kubernetes-validations": rules})["x-kubernetes-validations"] == rules


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "$.field: the type None is not supported"),
        ({"type": "null"}, "$.field: the type 'null' is not supported"),
        ({"type": ["string", "null"]}, "$.field: the type"),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "$.field: anyOf is supported for one type and null only",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "maxLength": 3}, "$.field: maxLength stands beside anyOf"),
        ({"oneOf": [{"type": "string"}], "type": "string"}, "$.field: oneOf is not supported here"),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}}, "$.field: prefixItems"),
        ({"type": "array"}, "$.field: an array needs items"),
        ({"type": "array", "items": {"type": "string", "contentEncoding": "base64"}}, "$.field[]: contentEncoding"),
        ({"type": "string", "minimum": 1}, "$.field: minimum is not supported here"),
        ({"type": "string", "exclusiveMinimum": 1}, "$.field: exclusiveMinimum belongs to a number"),
        ({"type": "integer", "exclusiveMinimum": 1, "minimum": 1}, "$.field: exclusiveMinimum and minimum exclude"),
        ({"type": "object", "additionalProperties": True}, "$.field: any value is allowed; say so with"),
        ({"type": "object", "patternProperties": {}}, "$.field: patternProperties is not supported here"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
            "$.field: properties and additionalProperties exclude each other",
        ),
        ({"$ref": "#/$defs/Gone"}, "$.field: the reference '#/$defs/Gone' leads nowhere"),
        (True, "$.field: a schema must be an object, not True"),
    ],
)
def test_what_is_not_known_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(UnsupportedSchema) as refused:
        _field(schema)
    assert str(refused.value).startswith(words)


def test_a_schema_that_holds_itself_is_refused() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/$defs/Tree"}}}
    with pytest.raises(UnsupportedSchema, match="Tree holds itself"):
        _field({"$ref": "#/$defs/Tree"}, Tree=tree)
