"""`kubectl explain` teaches every field: what it is, within which bounds, by an example that would be accepted."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway_operator.api.v1alpha1 import KINDS
from gateway_operator.api.v1alpha1.base import Model
from gateway_operator.crdgen.definitions import definition

Node = dict[str, Any]

_DEFAULT = re.compile(r"\b(?:Default(?:, and when empty)?|When empty): (.+?)\.(?= |$)")
"""How a description tells what holds where the field is left out."""


def _nodes(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, member in node.get("properties", {}).items():
        yield from _nodes(member, f"{path}.{name}")
    if "items" in node:
        yield from _nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _nodes(node["additionalProperties"], f"{path}.*")


def _spec_and_status(kind: str) -> list[tuple[str, Node]]:
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return [found for part in ("spec", "status") for found in _nodes(schema[part], part)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: str) -> None:
    fields = [(path, node) for path, node in _spec_and_status(kind) if not path.endswith(("[]", ".*"))]
    assert not [path for path, node in fields if len(node.get("description", "")) < 10]
    assert not [path for path, node in fields if "description" in node and not node["description"].endswith(".")]


def _optional_spec_fields(kind: str) -> Iterator[tuple[str, Node]]:
    for path, node in _spec_and_status(kind):
        if path.startswith("spec"):
            for name, member in node.get("properties", {}).items():
                if name not in node.get("required", ()):
                    yield f"{path}.{name}", member


@pytest.mark.parametrize("kind", KINDS)
def test_every_optional_field_tells_its_default_once(kind: str) -> None:
    fields = list(_optional_spec_fields(kind))
    assert fields
    assert not [path for path, node in fields if len(_DEFAULT.findall(node["description"])) != 1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_of_an_object_has_the_numbers_of_its_members(kind: str) -> None:
    for path, node in _optional_spec_fields(kind):
        if not node.get("properties"):
            continue
        (told,) = _DEFAULT.findall(node["description"])
        below = " ".join(
            default
            for member, inner in _nodes(node, path)
            if member != path
            for default in _DEFAULT.findall(inner.get("description", ""))
        )
        assert set(re.findall(r"\b\d\w*", told)) <= set(re.findall(r"\b\d\w*", below)), path


@pytest.mark.parametrize("kind", KINDS)
def test_every_scalar_and_list_of_scalars_has_an_example(kind: str) -> None:
    def needs_one(path: str, node: Node) -> bool:
        is_scalar = node.get("type") in ("string", "integer", "boolean") or "x-kubernetes-int-or-string" in node
        return is_scalar and not path.endswith(("[]", ".*"))

    silent = [
        path
        for path, node in _spec_and_status(kind)
        if needs_one(path, node) and "Example: " not in node["description"]
    ]
    assert not silent


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_bounded(kind: str) -> None:
    for path, node in _spec_and_status(kind):
        match node.get("type"):
            case "string":
                assert "maxLength" in node or "enum" in node, path
            case "integer" if path.startswith("spec"):
                assert {"minimum", "maximum"} <= node.keys(), path
            case "array":
                assert "maxItems" in node, path
                assert "x-kubernetes-list-type" in node, path
            case "object" if "additionalProperties" in node or "x-kubernetes-preserve-unknown-fields" in node:
                assert "maxProperties" in node, path


def _models(model: type[BaseModel], seen: set[type[BaseModel]]) -> None:
    if model in seen or not issubclass(model, Model):
        return
    seen.add(model)
    for field in model.model_fields.values():
        for part in _parts(field.annotation):
            _models(part, seen)


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _every_field() -> list[tuple[type[BaseModel], str]]:
    seen: set[type[BaseModel]] = set()
    for kind in KINDS.values():
        _models(kind, seen)
    ordered = sorted(seen, key=lambda model: model.__qualname__)
    return [(model, name) for model in ordered for name in model.model_fields]


@pytest.mark.parametrize(("model", "name"), _every_field(), ids=lambda value: getattr(value, "__name__", value))
def test_examples_and_defaults_are_accepted(model: type[BaseModel], name: str) -> None:
    field = model.model_fields[name]
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    for example in field.examples or []:
        try:
            adapter.validate_python(example)
        except ValidationError as error:
            pytest.fail(f"{model.__name__}.{field.alias}: {example!r}: {error}")
    if not field.is_required():
        adapter.validate_python(field.get_default())
