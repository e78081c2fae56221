"""What every model of the resources stands on: naming, documentation, one-object rules."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

GROUP: Final = "claude-gateway.dev"
VERSION: Final = "v1alpha1"

RULE_ERROR: Final = "rule"
"""pydantic's error type of broken rules. Its context holds them as `broken`."""
RULES_KEYWORD: Final = "x-kubernetes-validations"

_ACRONYMS = {
    "ai": "AI",
    "arn": "ARN",
    "aws": "AWS",
    "cidrs": "CIDRs",
    "id": "ID",
    "ttl": "TTL",
    "url": "URL",
    "usd": "USD",
}


def camel_case(name: str) -> str:
    """The field name of a snake_case attribute: `client_id` is `clientID`, `from_` is `from`."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(_ACRONYMS.get(word) or word.capitalize() for word in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that bounds cannot say, told once: as CEL for the API server and as a predicate for everyone else.

    Put into a model's `object_rules` it is asked of the object; as a part of `Annotated` it is asked of the value.
    """

    cel: str
    message: str
    """The same words from both: what is wrong and the way out. One line."""
    holds: Callable[[Any], bool]
    path: str = ""
    """The field to name, relative to where the rule stands: `.replicas`."""

    def as_validation(self) -> dict[str, str]:
        """The entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | {"fieldPath": self.path} if self.path else entry

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any) -> Any:
            if not self.holds(value):
                raise broken_rules([self])
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        json_schema = handler(schema)
        json_schema[RULES_KEYWORD] = [*json_schema.get(RULES_KEYWORD, []), self.as_validation()]
        return json_schema

    def speaks_of(self) -> list[tuple[str, ...]]:
        """Paths of the fields that the rule looks at, relative to where it stands."""
        return [tuple(path.split(".")[1:]) for path in re.findall(r"\bself((?:\.[A-Za-z0-9]+)+)\b(?!\()", self.cel)]


def broken_rules(rules: list[Rule]) -> PydanticCustomError:
    return PydanticCustomError(RULE_ERROR, "broken rule", {"broken": rules})


class Model(BaseModel):
    """Base of every object: immutable, nothing is coerced, an unknown field is an error, never a rule silently lost."""

    model_config = ConfigDict(
        alias_generator=camel_case,
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra=lambda schema, model: _add_rules(schema, model),
    )

    object_rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        rules = cls.object_rules
        if not rules:
            return schema

        def check(value: Any) -> Any:
            broken = [rule for rule in rules if not rule.holds(value)]
            if broken:
                raise broken_rules(broken)
            return value

        return core_schema.no_info_after_validator_function(check, schema)


def _add_rules(schema: dict[str, Any], model: type[Any]) -> None:
    if model.object_rules:
        schema[RULES_KEYWORD] = [rule.as_validation() for rule in model.object_rules]


class Choice(StrEnum):
    """Base of the enums; their values are CamelCase."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Strings are taken, where the strict models around would take members of the enum only.
        return {**handler(source), "strict": False}


def doc(text: str, *, example: Any = None, **bounds: Any) -> Any:
    """What `kubectl explain` shows of a field, and its bounds. The generator adds the example and the default."""
    return Field(description=text, examples=None if example is None else [example], **bounds)


def member_rules(member: str, attribute: str, choice: str, *, required: bool = True) -> tuple[Rule, ...]:
    """`member` goes with `type: choice` and with no other; `required`: and must be there then."""
    surplus = Rule(
        cel=f"!has(self.{member}) || self.type == '{choice}'",
        message=f"{member} goes with type {choice} only: remove it, or set type to {choice}",
        holds=lambda value: getattr(value, attribute) is None or value.type == choice,
        path=f".{member}",
    )
    missing = Rule(
        cel=f"self.type != '{choice}' || has(self.{member})",
        message=f"type {choice} needs the member {member}: add it, or choose another type",
        holds=lambda value: value.type != choice or getattr(value, attribute) is not None,
        path=f".{member}",
    )
    return (surplus, missing) if required else (surplus,)


def one_of_rule(fields: dict[str, str], message: str) -> Rule:
    """Exactly one of the members is there. `fields` maps field names to attributes."""
    count = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    attributes = tuple(fields.values())
    return Rule(
        cel=f"{count} == 1",
        message=message,
        holds=lambda value: sum(getattr(value, attribute) is not None for attribute in attributes) == 1,
    )
