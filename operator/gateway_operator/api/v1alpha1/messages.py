"""pydantic's errors in the words of Kubernetes: the field, what is wrong with which value, the way out."""

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway_operator.api.v1alpha1.base import RULE_ERROR
from gateway_operator.api.v1alpha1.lists import DUPLICATE_ERROR
from gateway_operator.api.v1alpha1.scalars import PATTERNS

Path = tuple[int | str, ...]

_TYPES: Final[Mapping[str, str]] = {
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_unicode": "must be valid Unicode text",
}
_TAGS: Final = ("number", "text")
"""Branches of a whole number or string, which pydantic puts into an error's place."""


def messages(model: type[BaseModel], detail: ErrorDetails) -> Iterator[tuple[Path, str]]:
    """(place, words) of each problem that one of pydantic's errors stands for."""
    place = detail["loc"]
    kind, context, value = detail["type"], detail.get("ctx") or {}, detail["input"]
    if kind == RULE_ERROR:
        for rule in context["broken"]:
            yield (*place, *rule.path.split(".")[1:]), rule.message
    elif kind == DUPLICATE_ERROR:
        for index, message in context["entries"]:
            yield (*place, index), message
    elif kind == "extra_forbidden":
        yield place, _unknown(model, place)
    elif kind == "invalid_key":
        yield place[:-1], f"keys must be strings, got {shown(value)}"
    elif place[-1:] == ("[key]",):
        yield place[:-2], f"keys must be strings, got {shown(value)}"
    else:
        plain = field_place(model, place)
        if any(str(step).endswith("SecretRef") for step in plain):
            # The secret itself, where its name belongs: told without it.
            yield plain, _words(kind, context, value).partition(", got ")[0]
        elif plain != place and kind in _TYPES:
            yield plain, f"must be a string or a whole number, got {shown(value)}; put it in quotes"
        else:
            yield plain, _words(kind, context, value)


def _words(kind: str, context: Mapping[str, Any], value: Any) -> str:
    if kind == "missing":
        return "is required"
    if kind in _TYPES:
        hint = "; put it in quotes" if kind == "string_type" and isinstance(value, bool | int | float) else ""
        return f"{_TYPES[kind]}, got {shown(value)}{hint}"
    match kind:
        case "enum" | "literal_error":
            return f"must be one of {_choices(context['expected'])}, got {shown(value)}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}, got {shown(value)}"
        case "less_than_equal":
            return f"must be at most {context['le']}, got {shown(value)}"
        case "string_too_long":
            return f"must have at most {_count(context['max_length'], 'character')}, has {len(value)}"
        case "string_too_short":
            least = context["min_length"]
            return (
                "must not be empty"
                if least == 1
                else f"must have at least {_count(least, 'character')}, has {len(value)}"
            )
        case "too_long":
            return f"must have at most {_entries(context['max_length'])}, has {len(value)}"
        case "too_short":
            least = context["min_length"]
            return "must not be empty" if least == 1 else f"must have at least {_entries(least)}, has {len(value)}"
        case "string_pattern_mismatch":
            pattern = context["pattern"]
            return f"{PATTERNS.get(pattern, f'must match {pattern}')}, got {shown(value)}"
        case _:
            return f"{kind.replace('_', ' ')}, got {shown(value)}"


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _choices(expected: str) -> str:
    """pydantic's `'A', 'B' or 'C'` as `A, B, C`."""
    return expected.replace(" or ", ", ").replace("'", "")


def _unknown(model: type[BaseModel], place: Path) -> str:
    *around, name = place
    owner = model_at(model, tuple(around))
    known = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
    by_lower = {field.lower(): field for field in known}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    if near:
        hint = f'; did you mean "{by_lower[near[0]]}"?'
    elif known:
        hint = f"; known are {', '.join(sorted(known))}"
    else:
        hint = "; nothing may stand there"
    return f'unknown field "{field_path(place)}"{hint}'


def field_place(model: type[BaseModel], place: Path) -> Path:
    """`place` without the branch of a whole number or string that pydantic adds to it."""
    if not place or place[-1] not in _TAGS:
        return place
    owner = model_at(model, place[:-1])
    return place if owner is not None and field_named(owner, place[-1]) else place[:-1]


def model_at(model: type[BaseModel], place: Path) -> type[BaseModel] | None:
    """The model of the object at `place`; None where no model stands there."""
    found: type[BaseModel] | None = model
    inner: Any = None
    for step in place:
        if isinstance(step, int):
            continue
        field = field_named(found, step) if found else None
        inner = field.annotation if field else None
        found = _model_in(inner)
    return found


def field_named(model: type[BaseModel], name: int | str) -> FieldInfo | None:
    return next((field for field in model.model_fields.values() if field.alias == name), None)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def field_path(place: Path) -> str:
    """`spec.matches[0].groups`; a key that is no plain word stands in brackets and quotes."""
    path = ""
    for step in place:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step and all(character.isalnum() or character in "-_" for character in step) and step.isascii():
            path += f".{step}" if path else step
        else:
            path += f"[{shown(step)}]"
    return path


def shown(value: Any) -> str:
    """A value as JSON on one line, cut where it is long."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a number of more than 30 digits"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    if not text.isprintable():
        text = json.dumps(text)[1:-1] if not isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
