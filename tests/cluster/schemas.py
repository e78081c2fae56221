"""JSON schemas for kubeconform, made from what a real API server says of itself: none has to be downloaded."""

import json
from pathlib import Path
from typing import Any

from tests.cluster.api_client import ApiClient

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"
"""How kubeconform names the files: append it to the folder for `-schema-location`."""

# Written as strings in the OpenAPI document, whatever they take.
_OPEN: dict[str, Any] = {
    ".IntOrString": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    ".Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
}


def write_schemas(client: ApiClient, folder: Path) -> None:
    """One file for each kind that the server has, its installed CustomResourceDefinitions too. Unknown fields are
    errors, except where the server itself keeps them."""
    definitions: dict[str, Any] = client.get("/openapi/v2")["definitions"]
    for name, schema in definitions.items():
        for suffix, replacement in _OPEN.items():
            if name.endswith(suffix):
                schema.clear()
                schema.update(replacement)
        _close(schema)
    (folder / "_definitions.json").write_text(json.dumps({"definitions": definitions}))
    for name, schema in definitions.items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            group = kind["group"].split(".")[0]
            file = "-".join(part for part in (kind["kind"].lower(), group, kind["version"]) if part)
            (folder / f"{file}.json").write_text(json.dumps({"$ref": f"_definitions.json#/definitions/{name}"}))


def _close(schema: Any) -> None:
    """Lets objects take the members that are listed, and no other."""
    if isinstance(schema, list):
        for each in schema:
            _close(each)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("properties"), dict):
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for each in schema["properties"].values():
            _close(each)
    for nested in ("items", "additionalProperties"):
        _close(schema.get(nested))
