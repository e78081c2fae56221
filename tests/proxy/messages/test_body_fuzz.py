"""A hundred thousand bodies, valid and broken, against what the standard library's reader makes of them: members found
as it finds them, edited and filtered as it would; nothing hangs and nothing crashes.

The seeds are fixed, so a failure comes again.
"""

import json
import random
from typing import Any, Final

import pytest

from gateway_config.contract import RequestFilter
from gateway_proxy.errors import GatewayError
from gateway_proxy.messages.body import UNEQUIVOCAL_MEMBERS, Members, scan
from gateway_proxy.messages.filters import Cut

ROUNDS: Final = 25_000
"""In each of four parts."""
NAMES: Final = (
    "model",
    "stream",
    "tags",
    "messages",
    "cache_control",
    "scope",
    "n",
    "",
    "\u00e9",
    '"n',
    '"cache_control',
    "\n",
    "\U0001f600",
    "a\\",
)
TEXTS: Final = (
    "x",
    "",
    '"',
    "\\",
    "\\u0063",
    '"cache_control":{"scope":1}',
    "\u00e9\u20ac",
    "\U0001f600",
    "}",
    "],",
    "\t",
)
NUMBERS: Final = ("0", "-0", "1.0", "1e5", "12345678901234567890", "-1.5E-3", "1" * 400)
BLANKS: Final = ("", "", "", "", " ", "\n", "\t \r")
SURROGATES: Final = ("\\ud800", "\\udfff\\ud800", "\\uD83D\\uDE00", "\\\\ud800")
FILTERS: Final = Cut(
    [RequestFilter(name="f", betas=("b",), fields=("tags", "n.scope", "**.cache_control.scope", "**.n.n"))]
)
BROKEN: Final = (
    b"",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\\u12",
    b"tru",
    b"NaN",
    b"01",
)


class Writer:
    """Writes JSON in all the ways that its grammar allows."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def blank(self) -> str:
        return self.random.choice(BLANKS)

    def string(self, text: str, *, escapes: float) -> str:
        written = []
        for character in text:
            if character in '"\\' and self.random.random() < 0.8:
                written.append("\\" + character)
            elif self.random.random() < escapes or character in '"\\' or character < " ":
                units = character.encode("utf-16-be").hex()
                code = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
                written.append(self.random.choice((code, code.upper().replace("\\U", "\\u"))))
            else:
                written.append(character)
        if self.random.random() < 0.02:
            written.append(self.random.choice(SURROGATES))
        return '"' + "".join(written) + '"'

    def value(self, depth: int) -> str:
        kind = self.random.randrange(8 if depth else 5)
        if kind == 0:
            return self.random.choice(NUMBERS)
        if kind == 1:
            return self.random.choice(("true", "false", "null"))
        if kind < 5:
            return self.string(self.random.choice(TEXTS), escapes=0.1)
        if kind == 5:
            inner = [self.blank() + self.value(depth - 1) + self.blank() for _ in range(self.random.randrange(4))]
            return f"[{','.join(inner) or self.blank()}]"
        return self.object(depth - 1, self.random.randrange(4))

    def object(self, depth: int, members: int) -> str:
        escapes = self.random.choice((0, 0, 0, 0.05))
        parts = []
        for _ in range(members):
            name = self.string(self.random.choice(NAMES), escapes=escapes)
            parts.append(f"{self.blank()}{name}{self.blank()}:{self.blank()}{self.value(depth)}{self.blank()}")
        return "{" + (",".join(parts) or self.blank()) + "}"

    def body(self) -> bytes:
        return (self.blank() + self.object(3, self.random.randrange(7)) + self.blank()).encode()

    def broken(self) -> bytes:
        """A body with some bytes gone, others in it, or what follows in front."""
        body = bytearray(self.body())
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(body) + 1)
            body[at : at + self.random.randrange(3)] = self.random.choice(BROKEN)
        return bytes(body)


class Pairs(list[tuple[str, Any]]):
    """An object's members in order, one that stands twice too."""


def parsed(body: bytes) -> Any:
    """As the standard library reads it; raises ValueError for what is no JSON in UTF-8."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    return json.loads(body.decode(), object_pairs_hook=Pairs, parse_int=str, parse_float=str, parse_constant=refuse)


def scanned(body: bytes) -> Members | str:
    """The members, or the reason for which the body is refused."""
    try:
        return scan(body)
    except GatewayError as error:
        return error.reason if error.status == 400 else f"status {error.status}"


def reason(body: bytes) -> str | None:
    """For which it ought to be refused; None for what ought to be taken."""
    try:
        value = parsed(body)
    except ValueError:
        return "BodyNotJSON"
    if not isinstance(value, Pairs):
        return "BodyNotAnObject"
    names = [name for name, _ in value]
    return "AmbiguousMember" if any(names.count(name) > 1 for name in UNEQUIVOCAL_MEMBERS) else None


def escaped_routing_name(body: bytes, members: Pairs) -> bool:
    return any(name in UNEQUIVOCAL_MEMBERS for name, _ in members) and b"\\u00" in body


def test_bodies_are_read_as_the_standard_library_reads_them() -> None:
    writer = Writer(1)
    for _ in range(ROUNDS):
        body = writer.body()
        members, wrong = scanned(body), reason(body)
        if isinstance(members, str):
            assert members == "AmbiguousMember", body
            assert wrong == members or escaped_routing_name(body, parsed(body)), body
            continue
        assert wrong is None, body
        assert [(place.name, parsed(body[place.value : place.end])) for place in members.places] == parsed(body), body


def test_what_is_broken_is_refused_and_the_rest_taken() -> None:
    writer = Writer(2)
    for _ in range(ROUNDS):
        body = writer.broken()
        members, wrong = scanned(body), reason(body)
        if wrong in ("BodyNotJSON", "BodyNotAnObject"):
            assert members in ("BodyNotJSON", "BodyNotAnObject"), body
        elif members == "AmbiguousMember":
            assert wrong == members or escaped_routing_name(body, parsed(body)), body
        else:
            assert isinstance(members, Members), body
            assert wrong is None, body


def test_edits_change_what_they_are_told_to() -> None:
    writer = Writer(3)
    source = writer.random
    for _ in range(ROUNDS):
        body = writer.body()
        members = scanned(body)
        if isinstance(members, str):
            continue
        changes = {name: source.choice((None, b'{"new":[1]}')) for name in source.sample(NAMES, source.randrange(4))}
        before = parsed(body)
        held = {name for name, _ in before}
        added = [
            (name, b'"more"') for name in ("anthropic_version", "\u00fc")[: source.randrange(3)] if name not in held
        ]
        edited = members.edited(changes, added)
        new = Pairs([("new", ["1"])])
        kept = [
            (name, value if name not in changes else new)
            for name, value in before
            if name not in changes or changes[name] is not None
        ]
        assert parsed(edited) == [*kept, *((name, "more") for name, _ in added)], (body, changes)
        if not added and held.isdisjoint(changes):
            assert edited == body
        # What is left of the old members is the same bytes in the same order.
        position = 0
        for place in members.places:
            if place.name not in changes:
                member = body[place.key : place.end]
                position = edited.index(member, position) + len(member)


def filtered(value: Any, *, top: bool, own: bool = True) -> Any:
    """`own`: whether the value is of the API's form, and not what somebody wrote."""
    if isinstance(value, Pairs):
        found = Pairs()
        for name, inner in value:
            if top and name == "tags":
                continue
            left = filtered(inner, top=False, own=own and name == "messages")
            cut = {"cache_control": {"scope"}, "n": {"n", "scope"} if top else {"n"}}.get(name, set())
            if own and isinstance(left, Pairs):
                left = Pairs([one for one in left if one[0] not in cut])
            found.append((name, left))
        return found
    if isinstance(value, list):
        return [filtered(one, top=False, own=own and isinstance(one, Pairs)) for one in value]
    return value


def test_filters_cut_what_they_name_and_nothing_else() -> None:
    writer = Writer(4)
    cut = 0
    for _ in range(ROUNDS):
        body = writer.body()
        members = scanned(body)
        if isinstance(members, str):
            continue
        left = FILTERS.apply(members, ())[0]
        before = parsed(body)
        assert parsed(left.body) == filtered(before, top=True), body
        read = scan(left.body)
        assert left.places == read.places, body
        if left.body == body:
            assert left is members
        else:
            cut += 1
            assert len(left.body) < len(body)
    assert cut > ROUNDS / 50, "the bodies hold what is cut"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"a":' + b'{"cache_control":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"' + b"\\" * 1_000_000 + b'":1}',
        b'{"' + b"\\u0063" * 200_000 + b'":{"scope":1}}',
        b'{"a":"' + b'\\"cache_control\\":{' * 100_000 + b'"}',
        b"{" + b'"cache_control":{"scope":1},' * 900 + b'"x":1}',
        b'{"a":[' + b'{"cache_control":{"scope":1}},' * 50_000 + b"1]}",
        b" " * 1_000_000 + b"{}" + b" " * 1_000_000,
        b"9" * 1_000_000,
        b'{"n":' + b"9" * 1_000_000 + b"}",
    ],
    ids=["brackets", "objects", "backslashes", "escapes", "quotes", "many", "long", "blanks", "digits", "number"],
)
def test_what_is_made_to_take_long_ends(body: bytes) -> None:
    members = scanned(body)
    if isinstance(members, Members):
        try:
            left = FILTERS.apply(members, ())[0].body
        except GatewayError as error:
            refused = error.reason
        else:
            refused = ""
            assert {name for name, _ in parsed(left)} <= {name for name, _ in parsed(body)}
        assert refused in ("", "BodyTooDeep", "TooManyParts")
