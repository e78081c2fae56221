"""Values of claims: found by name or JSON pointer, and taken only where they are plain text."""

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

MAX_TEXT: Final = 512
"""Characters of one value. Ids, addresses and names of groups are far shorter."""

_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class ClaimError(Exception):
    """A claim that is there and cannot be taken; the message says why, without its value."""


def find(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name or, where it begins with `/`, at this JSON pointer (RFC 6901); None: there is none."""
    if not name.startswith("/"):
        return claims.get(name)
    value: Any = claims
    for part in name[1:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 6 and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def member(name: str) -> str:
    """The top-level claim that a name or JSON pointer leads into."""
    return name[1:].split("/")[0].replace("~1", "/").replace("~0", "~") if name.startswith("/") else name


def text(claims: Mapping[str, Any], name: str) -> str | None:
    """A claim as text, a whole number in its digits; None where there is none. Raises ClaimError."""
    value = find(claims, name)
    if value is None or value == "":
        return None
    return _plain(value, name)


def texts(claims: Mapping[str, Any], name: str, *, most: int) -> list[str]:
    """A list of texts, or one alone; empty where there is none. Raises ClaimError, also for more than `most`: a group
    that is left out could be the one that closes something."""
    value = find(claims, name)
    if value is None or value == "":
        return []
    values = value if isinstance(value, list) else [value]
    if len(values) > most:
        raise ClaimError(f"{name} has {len(values)} values; {most} are taken")
    return [_plain(one, name) for one in values if one != ""]


def matching_text(value: Any) -> str | None:
    """A claim's value as a rule writes it: text, a number's digits, `true` or `false`. None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return None


def plain_problem(value: str) -> str | None:
    """Why a text is not taken; None where it is. Lines, control and direction characters would forge logs and pages."""
    if len(value) > MAX_TEXT:
        return f"is longer than {MAX_TEXT} characters"
    if not value.isprintable() and any(
        character in _BIDI or unicodedata.category(character) in _REFUSED_CATEGORIES for character in value
    ):
        return "holds control characters"
    return None


def one_line(value: str, *, most: int = 400) -> str:
    """Text of others for a log: printable, on one line, cut at `most` characters."""
    line = "".join(character if character.isprintable() else " " for character in value[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"


def _plain(value: Any, name: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ClaimError(f"{name} holds something other than text")
    problem = plain_problem(value)
    if problem is not None:
        raise ClaimError(f"{name} {problem}")
    return value
