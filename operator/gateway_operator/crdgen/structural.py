"""pydantic's JSON schema to a structural schema (OpenAPI v3 as CustomResourceDefinitions take it).

Whatever this converter does not know it refuses: a keyword that is dropped is a bound that nobody enforces.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

_COPIED: Final = {
    "string": ("minLength", "maxLength", "pattern", "format", "enum"),
    "integer": ("minimum", "maximum", "multipleOf", "format", "enum"),
    "number": ("minimum", "maximum", "multipleOf", "format", "enum"),
    "boolean": (),
    "array": ("minItems", "maxItems", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    "object": (
        "minProperties",
        "maxProperties",
        "required",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-map-type",
    ),
    "int-or-string": ("minimum", "maximum", "minLength", "maxLength", "pattern"),
}
"""Keywords that mean the same on both sides, by type."""
_RULES: Final = "x-kubernetes-validations"
_COMMON: Final = frozenset({"type", "description", "title", "default", "examples", _RULES})
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"


class UnsupportedSchema(Exception):  # noqa: N818  # names what it found, as UnsupportedOperation does
    """The schema holds something that the converter does not know; the message begins with the place."""


def structural_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The structural form of a model's JSON schema (`model_json_schema()`).

    References are resolved, an optional value loses its null, a constant becomes an enum of one, examples and scalar
    defaults are told in the description too. Raises `UnsupportedSchema`.
    """
    return _Converter(schema.get("$defs", {})).convert({k: v for k, v in schema.items() if k != "$defs"}, "$")


class _Converter:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._open: list[str] = []
        """References being resolved, to find one that holds itself."""

    def convert(self, schema: Any, path: str) -> dict[str, Any]:
        if not isinstance(schema, Mapping):
            raise UnsupportedSchema(f"{path}: a schema must be an object, not {schema!r}")
        if "$ref" in schema:
            return self._reference(schema, path)
        if "anyOf" in schema:
            return self.convert(_without_null(schema, path), path)
        if "const" in schema:
            rest = {key: value for key, value in schema.items() if key != "const"}
            return self.convert(rest | {"enum": [schema["const"]]}, path)
        if _INT_OR_STRING in schema:
            return self._int_or_string(schema, path)
        return self._typed(schema, path)

    def _reference(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        if name not in self._definitions:
            raise UnsupportedSchema(f"{path}: the reference {schema['$ref']!r} leads nowhere")
        if name in self._open:
            raise UnsupportedSchema(f"{path}: {name} holds itself; a structural schema is finite")
        around = {key: value for key, value in schema.items() if key != "$ref"}
        self._open.append(name)
        try:
            return self.convert({**self._definitions[name], **around}, path)
        finally:
            self._open.pop()

    def _typed(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        kind = schema.get("type")
        if not isinstance(kind, str) or kind not in _COPIED:
            known = ", ".join(sorted(set(schema) - _COMMON)) or "nothing else"
            raise UnsupportedSchema(f"{path}: the type {kind!r} is not supported (with {known})")
        result = _head(schema, kind)
        result |= _bounds(schema, kind, path)
        handled = _COMMON | set(_COPIED[kind]) | {"exclusiveMinimum", "exclusiveMaximum"}
        if kind == "array":
            handled |= {"items"}
            if "items" not in schema:
                raise UnsupportedSchema(f"{path}: an array needs items")
            result["items"] = self.convert(schema["items"], f"{path}[]")
        if kind == "object":
            handled |= {"properties", "additionalProperties"}
            result |= self._members(schema, path)
        _refuse_rest(schema, handled, path)
        return _with_rules(result, schema)

    def _members(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties, values = schema.get("properties"), schema.get("additionalProperties")
        if properties:
            if values not in (None, False):
                raise UnsupportedSchema(f"{path}: properties and additionalProperties exclude each other")
            return {"properties": {name: self.convert(properties[name], f"{path}.{name}") for name in properties}}
        if values is True:
            raise UnsupportedSchema(f"{path}: any value is allowed; say so with x-kubernetes-preserve-unknown-fields")
        return {"additionalProperties": self.convert(values, f"{path}.*")} if values else {}

    def _int_or_string(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        result = _head(schema, None)
        result["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        result[_INT_OR_STRING] = True
        result |= {key: schema[key] for key in _COPIED["int-or-string"] if key in schema}
        _refuse_rest(schema, _COMMON | {_INT_OR_STRING, *_COPIED["int-or-string"]}, path)
        return _with_rules(result, schema)


def _without_null(schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The one branch of `anyOf` that is not null: a field may be left out, but never holds null."""
    branches = [branch for branch in schema["anyOf"] if branch != {"type": "null"}]
    if len(branches) != 1 or len(branches) == len(schema["anyOf"]):
        raise UnsupportedSchema(f"{path}: anyOf is supported for one type and null only")
    around = {key: value for key, value in schema.items() if key != "anyOf"}
    stray = set(around) - {"description", "title", "default", "examples"}
    if stray:
        raise UnsupportedSchema(f"{path}: {', '.join(sorted(stray))} stands beside anyOf; put it into the branch")
    return {**branches[0], **around}


def _head(schema: Mapping[str, Any], kind: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {}
    description = _description(schema)
    if description:
        result["description"] = description
    if kind:
        result["type"] = kind
    default = _default(schema)
    if default is not None:
        result["default"] = default
    return result


def _default(schema: Mapping[str, Any]) -> Any:
    """Scalars, and lists of them that are not empty. Objects are left out: what they hold has its own defaults."""
    default = schema.get("default")
    if isinstance(default, list):
        return default if default and not any(isinstance(entry, Mapping) for entry in default) else None
    return None if isinstance(default, Mapping) or default == "" else default


def _description(schema: Mapping[str, Any]) -> str:
    parts = [" ".join(str(schema.get("description", "")).split())]
    default = _default(schema)
    if default is not None:
        parts.append(f"Default: {_plain(default)}.")
    parts += [f"Example: {_plain(example)}." for example in schema.get("examples", ())]
    return " ".join(part for part in parts if part)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _bounds(schema: Mapping[str, Any], kind: str, path: str) -> dict[str, Any]:
    result = {key: schema[key] for key in _COPIED[kind] if key in schema}
    for keyword, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if keyword not in schema:
            continue
        if kind not in ("integer", "number"):
            raise UnsupportedSchema(f"{path}: {keyword} belongs to a number")
        if bound in schema:
            raise UnsupportedSchema(f"{path}: {keyword} and {bound} exclude each other")
        # OpenAPI v3.0 knows it as a flag beside the bound.
        result |= {bound: schema[keyword], keyword: True}
    return result


def _with_rules(result: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    return result | {_RULES: schema[_RULES]} if schema.get(_RULES) else result


def _refuse_rest(schema: Mapping[str, Any], handled: frozenset[str] | set[str], path: str) -> None:
    rest = sorted(set(schema) - handled)
    if rest:
        raise UnsupportedSchema(f"{path}: {', '.join(rest)} is not supported here")
