"""JSON as a JavaScript client writes it: Claude Code makes its checksum of managed settings from what it parsed.

Keys sorted by UTF-16 code units, numbers as ECMAScript prints a double, no white space (RFC 8785).
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_LEAST_PLAIN: Final = -7
_MOST_PLAIN: Final = 21
"""Decimal exponents between these are written out, others with `e` (ECMA-262, Number::toString)."""


def client_json(value: Any) -> str:
    """`value`, which JSON must be able to hold, as text."""
    if isinstance(value, Mapping):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{_text(name)}:{client_json(item)}" for name, item in members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(client_json, value)) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value)
    return _text(value)


def _text(value: str | bool | None) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    double = float(value)
    if double == 0:
        return "0"
    digits = Decimal(repr(double))
    exponent = digits.adjusted()
    if _LEAST_PLAIN < exponent < _MOST_PLAIN:
        return format(digits, "f").removesuffix(".0")
    return f"{repr(double).partition('e')[0]}e{exponent:+d}"
