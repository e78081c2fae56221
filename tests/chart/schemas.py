"""JSON schemas for kubeconform, made from what an API server serves: nothing is downloaded.

One file for each kind, strict: a field that the API server does not know is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.cluster.api_client import ApiClient

LOCATION = "{{ .Group }}-{{ .ResourceKind }}-{{ .ResourceAPIVersion }}.json"
_REFERENCE = "#/components/schemas/"
_NAMES = "x-kubernetes-group-version-kind"


def write_schemas(api: ApiClient, folder: Path) -> int:
    """The number of kinds that were written."""
    written = 0
    for path in api.get("/openapi/v3")["paths"]:
        if not path.startswith(("api/", "apis/")):
            continue
        schemas = api.get(f"/openapi/v3/{path}").get("components", {}).get("schemas", {})
        definitions = {name: _json_schema(schema) for name, schema in schemas.items()}
        for name, schema in schemas.items():
            for kind in schema.get(_NAMES, ()):
                group = kind["group"] or kind["version"]  # as kubeconform has it for the core kinds
                file = f"{group}-{kind['kind'].lower()}-{kind['version']}.json"
                document = {"$ref": f"#/definitions/{name}", "definitions": _reached(name, definitions)}
                folder.joinpath(file).write_text(json.dumps(document))
                written += 1
    return written


def _json_schema(schema: Any) -> Any:
    """OpenAPI's words in JSON schema's, closed where the properties are known."""
    if isinstance(schema, list):
        return [_json_schema(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace(_REFERENCE, "#/definitions/")}
    made = {
        key: _properties(value) if key == "properties" else _json_schema(value)
        for key, value in schema.items()
        if not key.startswith("x-") and key not in ("default", "enum", "format", "nullable")
    }
    if "enum" in schema:
        made["enum"] = schema["enum"]
    if schema.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        made.pop("type", None)
    opened = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and not opened:
        made["additionalProperties"] = False
    return made


def _properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _json_schema(schema) for name, schema in properties.items()}


def _reached(name: str, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A definition and all that it refers to."""
    found: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found[current] = definitions[current]
            waiting += _references(definitions[current])
    return found


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix("#/definitions/")
        for each in schema.values():
            yield from _references(each)
