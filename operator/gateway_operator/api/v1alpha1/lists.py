"""Lists and maps with the meaning that server-side apply needs: maps by key, sets, free-form objects."""

from collections.abc import Callable
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway_operator.api.v1alpha1.base import camel_case

DUPLICATE_ERROR = "duplicate"
"""pydantic's error type of an entry that stands twice. Its context holds `entries`, a list of (index, message)."""


class _Unique:
    """Metadata of a list in which no two entries may have the same identity."""

    def __init__(self, identity: Callable[[Any], Any], keywords: dict[str, Any], keys: tuple[str, ...]) -> None:
        self._identity = identity
        self._keywords = keywords
        self._keys = keys

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        identity = self._identity

        def check(entries: list[Any]) -> list[Any]:
            if len(entries) > 1 and len({identity(entry) for entry in entries}) < len(entries):
                raise PydanticCustomError(DUPLICATE_ERROR, "duplicate", {"entries": self._duplicates(entries)})
            return entries

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | self._keywords

    def _duplicates(self, entries: list[Any]) -> list[tuple[int, str]]:
        first: dict[Any, int] = {}
        found = []
        for index, entry in enumerate(entries):
            identity = self._identity(entry)
            earlier = first.setdefault(identity, index)
            if earlier != index:
                found.append((index, f"{self._words(identity)} stands in entry {earlier} already: remove one"))
        return found

    def _words(self, identity: Any) -> str:
        if not self._keys:
            return f'"{identity}"'
        return " and ".join(f'{key} "{value}"' for key, value in zip(self._keys, identity, strict=True))


def set_list() -> _Unique:
    """A list of scalars that holds each once: owners may each apply their own entries."""
    return _Unique(lambda entry: entry, {"x-kubernetes-list-type": "set"}, ())


def map_list(*attributes: str) -> _Unique:
    """A list of objects told apart by these attributes."""
    keys = tuple(camel_case(attribute) for attribute in attributes)
    return _Unique(
        lambda entry: tuple(getattr(entry, attribute) for attribute in attributes),
        {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)},
        keys,
    )


class _Atomic:
    """Metadata of a list that is replaced as a whole."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"x-kubernetes-list-type": "atomic"}


class _FreeForm:
    """Metadata of an object whose members we pass on without knowing them."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        json_schema = handler(schema) | {"x-kubernetes-preserve-unknown-fields": True}
        json_schema.pop("additionalProperties", None)
        return json_schema


ATOMIC = _Atomic()
FREE_FORM = _FreeForm()
