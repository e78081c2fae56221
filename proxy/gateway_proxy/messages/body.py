"""The request body: read within limits, its top-level members found, edited in place and never re-serialised."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from pydantic_core import SchemaValidator, ValidationError, core_schema

from gateway_proxy import errors
from gateway_proxy.messages.cutting import Place, Span, scan_value, skip

UNEQUIVOCAL_MEMBERS: Final = frozenset(
    {"model", "stream", "max_tokens", "tags", "anthropic_version", "anthropic_beta", "user_profile_id"}
)
"""Members that the gateway acts on or that a provider writes. Each must be spelled in one way only, or an upstream
could read another value."""
MAX_MEMBERS: Final = 1000
"""Top-level members of a request; real ones have about twenty."""

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_INSTEAD: Final = [
    (b"\\u%c%c" % (first, second), b"\\u0%c" % second) for first in b"dD" for second in b"89abcdefABCDEF"
]
_DELIMITERS: Final = " \t\n\r,}"
_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


_no_text: Final = SchemaValidator(core_schema.str_schema(pattern="^$"))


def _is_utf8(body: bytes) -> bool:
    """Whether a body with bytes beyond ASCII is UTF-8. `bytes.decode` answers that too, and makes a string that nobody
    needs: 320 us for 200 KB of session instead of 25. Rust looks at the bytes first, then refuses any text but none."""
    try:
        _no_text.validate_python(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return found[0]["type"] == "string_pattern_mismatch"
    return True


class Members:
    """The top-level members of a body, by name, and where each lies in it."""

    __slots__ = ("_places", "_text", "_values", "body")

    def __init__(self, body: bytes, values: dict[str, msgspec.Raw], *, places: list[Place] | None = None) -> None:
        """Without `places` for a body that has nothing between its members, and each once."""
        self.body = body
        self._values = values
        self._places = places
        self._text: str | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def raw(self, name: str) -> memoryview:
        """A member's JSON text; empty where it is not there."""
        return memoryview(self._values.get(name, b""))

    @property
    def places(self) -> list[Place]:
        """Every member in order, one that stands twice too."""
        if self._places is None:
            self._places = [Place._make(each) for each in _compact(self._values)]
        return self._places

    @property
    def text(self) -> str:
        """The body as `cutting` reads it."""
        if self._text is None:
            self._text = self.body.decode("latin-1")
        return self._text

    @property
    def stream(self) -> bool:
        value = self._values.get("stream")
        return value is not None and bytes(value) == b"true"

    @property
    def max_tokens(self) -> int | None:
        """The most output tokens; None where the request gives no number above 0."""
        value = self._values.get("max_tokens")
        if value is None:
            return None
        digits = bytes(value)
        return int(digits) or None if len(digits) < 16 and digits.isdigit() else None

    def model(self) -> str:
        """The model the client names. Raises GatewayError 400 when it is missing, empty or no string."""
        value = self._values.get("model")
        if value is None:
            raise errors.model_required()
        raw = memoryview(value)
        if raw[0] != 0x22:
            raise errors.model_not_a_string()
        name: str = msgspec.json.decode(raw, type=str)
        if not name:
            raise errors.model_required()
        return name

    def with_model(self, name: str) -> bytes:
        """The body with another model's name, everything else byte for byte."""
        return self.edited({"model": msgspec.json.encode(name)})

    def edited(self, changes: Mapping[str, bytes | None], added: Sequence[tuple[str, bytes]] = ()) -> bytes:
        """The body with the values of the named members replaced, or the members cut out (None) with a comma each, and
        with members added behind the last one. Values are JSON. Everything else stays byte for byte.

        A name that is not in the body is passed over; one that stands in it more than once is changed wherever it
        stands. Raises ValueError for a member to be added that the body holds and keeps.
        """
        body = memoryview(self.body)  # its slices are no copies
        parts: list[bytes | memoryview] = []
        position = 0
        kept: int | None = None  # where the last member that stays ends
        cut: int | None = None  # where the first of those to be cut begins that stand before this one
        end = 0
        places = self._places
        for name, key, value, end in places if places is not None else _compact(self._values):
            change = changes.get(name, b"")
            if change is None:
                cut = key if cut is None else cut
                continue
            if cut is not None:
                parts.append(body[position:cut])
                position, cut = key, None
            if change:
                parts += (body[position:value], change)
                position = end
            kept = end
        if cut is not None:
            # With the comma before them, where there is one.
            parts.append(body[position : kept or cut])
            position = end
        if added:
            comma = b","
            if kept is None:
                start = self.body.index(b"{") + 1
                parts, position, comma = [body[:start]], max(start, position), b""
            elif kept > position:
                parts.append(body[position:kept])
                position = kept
            for name, addition in added:
                if name in self._values and changes.get(name, b"") is not None:
                    raise ValueError(f"the body has a member {name} already")
                parts += (comma, msgspec.json.encode(name), b":", addition)
                comma = b","
        parts.append(body[position:])
        return b"".join(parts)

    def without(self, spans: Sequence[Span]) -> "Members":
        """The body without some of its bytes: whole members with a comma each, or parts of their values. `spans` are in
        order and apart from each other. The rest is known to be valid and is not read again."""
        body = memoryview(self.body)
        parts: list[memoryview] = []
        position = 0
        for start, end in spans:
            parts.append(body[position:start])
            position = end
        parts.append(body[position:])
        kept = b"".join(parts)
        values: dict[str, msgspec.Raw] = {}
        places: list[Place] = []
        gone = 0
        left = list(reversed(spans))
        for name, key, value, end in self.places:
            while left and left[-1][1] <= key:
                start, after = left.pop()
                gone += after - start
            if left and left[-1][0] <= key:
                continue
            begins = gone
            while left and left[-1][1] <= end:
                start, after = left.pop()
                gone += after - start
            place = Place(name, key - begins, value - begins, end - gone)
            places.append(place)
            whole = self._values.get(name) if gone == begins else None
            values[name] = whole if whole is not None else msgspec.Raw(kept[place.value : place.end])
        return Members(kept, values, places=places)


def scan(body: bytes) -> Members:
    """Validates the body as a JSON object and finds its members. Raises GatewayError 400."""
    values = _values_of(body)
    if len(values) > MAX_MEMBERS:
        raise _too_many()
    # Names and values, and each member's quotes, colon, and brace or comma: only a body without a duplicate,
    # white space, an escape in a name or a name beyond ASCII is as short as that.
    shortest = sum(map(len, values)) + sum(map(len, values.values())) + 4 * len(values) + 1
    if shortest == len(body):
        return Members(body, values)
    try:
        return Members(body, values, places=_walked(body, values))
    except RecursionError:
        raise too_deep() from None


def _values_of(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        if not (body.isascii() or _is_utf8(body)):
            raise errors.invalid_request("the request body is not valid UTF-8", reason="BodyNotJSON")
        try:
            return _members_of(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            # JSON's grammar lets a lone surrogate escape stand; the upstream has its own words for it, which clients
            # know. So it is passed over here, by another escape of the same length, of no character that any name has.
            if not _SURROGATE.search(body):
                raise
            for written, instead in _INSTEAD:
                body = body.replace(written, instead)  # a pattern's `sub` takes five times as long
            return _members_of(body)
    except msgspec.ValidationError:
        raise errors.invalid_request("the request body must be a JSON object", reason="BodyNotAnObject") from None
    except RecursionError:
        raise too_deep() from None
    except UnicodeDecodeError:
        raise errors.invalid_request("the request body is not valid UTF-8", reason="BodyNotJSON") from None
    except msgspec.DecodeError as error:
        raise errors.invalid_request(f"the request body is not valid JSON: {error}", reason="BodyNotJSON") from None


def _compact(values: Mapping[str, msgspec.Raw]) -> Iterator[tuple[str, int, int, int]]:
    """What places hold, of members with nothing between them and names in ASCII."""
    key = 1
    for name, raw in values.items():
        value = key + len(name) + 3
        end = value + len(raw)
        yield name, key, value, end
        key = end + 1


def _walked(body: bytes, values: dict[str, msgspec.Raw]) -> list[Place]:
    """The same for a body of any form, known to be valid JSON. Raises GatewayError 400 on an unclear spelling.

    Latin-1 makes byte offsets and character offsets one; what is no ASCII can only be inside strings.
    """
    text = body.decode("latin-1")
    places: list[Place] = []
    seen: set[str] = set()
    position = skip(text, text.index("{") + 1)
    count = 0
    while text[position] == '"':
        count += 1
        if count > MAX_MEMBERS:
            raise _too_many()
        key = position
        name, position = scan_value(text, key)
        escaped = position - key - 2 != len(name)
        if not name.isascii():
            name = json.loads(body[key:position])
        position = skip(text, skip(text, position) + 1)
        value = position
        position = _value_end(text, value, body, values.get(name))
        if name in UNEQUIVOCAL_MEMBERS and (escaped or name in seen):
            how = "with escapes in its name" if escaped else "twice"
            raise errors.invalid_request(
                f'the request body names "{name}" {how}: write it once, as it is', reason="AmbiguousMember"
            )
        seen.add(name)
        places.append(Place(name, key, value, position))
        position = skip(text, position)
        if text[position] == ",":
            position = skip(text, position + 1)
    if text[position] != "}":
        raise AssertionError("the walk left the members of a valid object")
    return places


def _value_end(text: str, start: int, body: bytes, raw: msgspec.Raw | None) -> int:
    """Where the value at `start` ends. `raw` is the value of the last member with its name: this one's, as a rule."""
    if raw is not None and body.startswith(raw, start):
        end = start + len(memoryview(raw))
        # Only a number can go on: 1 is how 12 begins.
        if text[end] in _DELIMITERS:
            return end
    _, end = scan_value(text, start)
    return int(end)


def too_deep() -> errors.GatewayError:
    """The error of a body whose values the interpreter's stack cannot follow."""
    return errors.invalid_request("the request body is nested too deeply", reason="BodyTooDeep")


def _too_many() -> errors.GatewayError:
    return errors.invalid_request(
        f"the request body has more than {MAX_MEMBERS} top-level members", reason="TooManyMembers"
    )
