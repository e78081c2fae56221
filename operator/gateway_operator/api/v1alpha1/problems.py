"""Every problem of a manifest at once.

pydantic asks an object's rules only where all of the object's fields are sound, so one typing mistake would hide the
rules around it until it is mended. Here the manifest is mended step by step: what is wrong is taken out, or replaced by
the field's documented example where the field is required, and the rest is asked again. Rules that speak of a mended
field are not believed.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway_operator.api.v1alpha1.base import RULE_ERROR
from gateway_operator.api.v1alpha1.messages import Path, field_named, field_path, field_place, messages, model_at

MAX_STEPS: Final = 12
"""Objects nest less deep than that, and every step mends all that is left on one level."""


class Problems:
    """`found`: (field path, message) of each problem, in the order of discovery."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self._mended: set[Path] = set()
        self._found: dict[tuple[str, str], None] = {}

    @property
    def found(self) -> list[tuple[str, str]]:
        return list(self._found)

    def gather(self, manifest: Mapping[str, Any], error: ValidationError) -> Any:
        """Fills `found`. Returns the manifest as mended, None where mending came to no end."""
        for _ in range(MAX_STEPS):
            details = error.errors(include_url=False)
            for detail in details:
                self._note(detail)
            absent = [self._place_of_nothing(detail) for detail in details if _stands_for_nothing(detail)]
            wrong = [
                place for detail in details if not _stands_for_nothing(detail) for place in self._places_to_mend(detail)
            ]
            if () in wrong:
                return None
            for place in absent:
                # never replaced: a required field that is null must be told as missing in the next round
                manifest = self._mend(manifest, place, self._model, replaced=False)
            for place in wrong:
                manifest = self._mend(manifest, place, self._model)
            self._mended.update(wrong)
            try:
                self._model.model_validate(manifest)
            except ValidationError as next_error:
                error = next_error
            else:
                return manifest
        return None

    def _note(self, detail: ErrorDetails) -> None:
        place = detail["loc"]
        if _is_null(detail) or place in self._mended:
            return
        if detail["type"] == RULE_ERROR:
            sound = [rule for rule in detail["ctx"]["broken"] if not self._speaks_of_mended(place, rule.speaks_of())]
            detail = {**detail, "ctx": {"broken": sound}}
        for path, message in messages(self._model, detail):
            self._found.setdefault((field_path(path), message))

    def _speaks_of_mended(self, place: Path, fields: list[Path]) -> bool:
        looked_at = {(*place, *field[:end]) for field in fields for end in range(1, len(field) + 1)}
        return not looked_at.isdisjoint(self._mended)

    def _place_of_nothing(self, detail: ErrorDetails) -> Path:
        place = field_place(self._model, detail["loc"])
        # pydantic writes a key that is no string as one; its input is the key itself.
        return (*place[:-1], detail["input"]) if detail["type"] == "invalid_key" else place

    def _places_to_mend(self, detail: ErrorDetails) -> list[Path]:
        place = field_place(self._model, detail["loc"])
        if place[-1:] == ("[key]",):
            place = place[:-2]
        if detail["type"] == RULE_ERROR:
            fields = [(*place, *field) for rule in detail["ctx"]["broken"] for field in rule.speaks_of()]
            if fields and not self._mended.issuperset(fields):
                return [self._mendable(field) for field in fields]
        return [self._mendable(place)]

    def _mendable(self, place: Path) -> Path:
        """The nearest field around `place` that can be left out or replaced; () where there is none."""
        while place:
            owner = None if isinstance(place[-1], int) else model_at(self._model, place[:-1])
            field = field_named(owner, place[-1]) if owner else None
            if field and place not in self._mended and (not field.is_required() or field.examples):
                return place
            place = place[:-1]
        return ()

    def _mend(self, value: Any, place: Path, model: type[BaseModel], *, replaced: bool = True) -> Any:
        step, rest = place[0], place[1:]
        if isinstance(value, list) and isinstance(step, int):
            entries = list(value)
            if step < len(entries) and rest:
                entries[step] = self._mend(entries[step], rest, model, replaced=replaced)
            return entries
        if not isinstance(value, Mapping):
            return value
        if rest:
            inner = model_at(model, (step,)) or model
            if step not in value:
                return value
            return {**value, step: self._mend(value[step], rest, inner, replaced=replaced)}
        field = field_named(model, step)
        without = {name: member for name, member in value.items() if name != step}
        if replaced and field and field.is_required() and field.examples:
            return {**without, step: field.examples[0]}
        return without


def _stands_for_nothing(detail: ErrorDetails) -> bool:
    """An unknown field or a null: without it the rest means the same."""
    return detail["type"] in ("extra_forbidden", "invalid_key") or _is_null(detail)


def _is_null(detail: ErrorDetails) -> bool:
    """A null in the place of a field: the API server takes it for a field that is not there."""
    no_null = ("extra_forbidden", "invalid_key", "missing", RULE_ERROR)
    is_field = bool(detail["loc"]) and isinstance(detail["loc"][-1], str)
    return is_field and detail["input"] is None and detail["type"] not in no_null
