"""What an upstream does not take, cut out of the requests to it: betas, members of the body, and parts of those.

Which these are is data of the configuration, never a rule here. Nothing is decoded and written again: bytes go, with a
comma each, and the others stay as they are. A member is found whatever way its name is spelled, and wherever it stands
twice; never in what a user or a model wrote (`containers`).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from gateway_config.contract import RequestFilter
from gateway_proxy.messages import betas, containers
from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.messages.body import Members, too_deep
from gateway_proxy.messages.containers import PARTS_LIMIT, ROUNDS, too_many_parts
from gateway_proxy.messages.cutting import Span, cut_elements, cut_members, elements, joined, members, scan_value
from gateway_proxy.messages.searching import holds, matcher

BETAS_MEMBER: Final = "anthropic_beta"
"""Betas that stand in the body, as Bedrock has them."""

_PATH: Final = re.compile(r"(?:(\*\*\.)(?=[^.]+\.))?([A-Za-z0-9_-]+)(?:\.([A-Za-z0-9_-]+))?")
_MODELS_LIMIT: Final = 1024
_has_escaped_name: Final = matcher(r"\\u00(?:[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|3[0-9]|2[dD])")
"""The escape of a letter, a digit, `_` or `-`. Nothing that writes JSON for others makes one."""
_BACKSLASH: Final = 0x5C


class Filters:
    """Those of one binding."""

    __slots__ = ("_cuts", "_filters")

    def __init__(self, filters: Sequence[RequestFilter]) -> None:
        """Raises ValueError for a path of a form that is not known."""
        self._filters = filters
        self._cuts: dict[str, Cut | None] = {}
        for one in filters:
            Cut([one])

    def of(self, model: str) -> "Cut | None":
        """What goes out of requests with the model of this canonical id; None where nothing does."""
        if not self._filters:
            return None
        try:
            return self._cuts[model]
        except KeyError:
            chosen = [one for one in self._filters if not one.models or model in one.models]
            cut = Cut(chosen) if chosen else None
            if len(self._cuts) < _MODELS_LIMIT:
                self._cuts[model] = cut
            return cut


class Cut:
    """What goes out of requests with one model."""

    __slots__ = ("_anywhere", "_betas", "_inside", "_members", "_unwanted")

    def __init__(self, filters: Sequence[RequestFilter]) -> None:
        """Raises ValueError."""
        self._betas = frozenset(name.encode() for one in filters for name in one.betas)
        instead = {
            beta.encode(): [name.encode() for name in one.instead if name.encode() not in self._betas]
            for one in filters
            if one.instead
            for beta in one.betas
        }
        self._unwanted = betas.Unwanted(self._betas, instead)
        self._members: set[str] = set()
        self._inside: dict[str, set[str]] = defaultdict(set)
        everywhere: dict[str, set[str]] = defaultdict(set)
        for path in [path for one in filters for path in one.fields]:
            found = _PATH.fullmatch(path)
            if found is None:
                raise ValueError(f"a path is `name`, `name.member` or `**.name.member`: {path}")
            anywhere, name, member = found.groups()
            if anywhere:
                everywhere[name].add(member)
            elif member:
                self._inside[name].add(member)
            else:
                self._members.add(name)
        self._anywhere = [_Anywhere(name, frozenset(inner)) for name, inner in everywhere.items()]

    def apply(self, request: Members, named: BetaValues) -> tuple[Members, BetaValues]:
        """The request without all that. Raises GatewayError (400) for one that is nested too deeply, or in too many
        parts."""
        try:
            spans = self._spans(request)
        except RecursionError:
            raise too_deep() from None
        if spans:
            request = request.without(joined(spans))
        return request, self._unwanted.out_of(named)

    def _spans(self, request: Members) -> list[Span]:
        spans: list[Span] = []
        unwanted = {name for name in self._members if name in request}
        if self._betas and BETAS_MEMBER in request and BETAS_MEMBER not in unwanted:
            cut = self._betas_in(request)
            if cut is None:
                unwanted.add(BETAS_MEMBER)
            else:
                spans += cut
        if unwanted:
            spans += cut_members(request.places, unwanted)
        inside = self._inside_objects(request)
        own = containers.own(request, inside) if inside else ()
        for start in own:
            spans += inside[start]
        return spans

    def _inside_objects(self, request: Members) -> dict[int, list[Span]]:
        """What would go of objects, by where they begin, wherever they lie."""
        found: dict[int, list[Span]] = {}
        left, parts = ROUNDS * len(request.body), PARTS_LIMIT
        for start, inner in self._objects(request).items():
            places = list(islice(members(request.text, start), parts + 1))
            parts -= len(places)
            if parts < 0:
                raise too_many_parts(PARTS_LIMIT)
            cut = cut_members(places, inner)
            if cut:
                found[start] = cut
            left -= places[-1].end - start if places else 0
            if left < 0:
                raise too_deep()
        return found

    def _objects(self, request: Members) -> dict[int, set[str]]:
        """Where objects begin that may hold members which are to be cut, and those members' names."""
        objects: dict[int, set[str]] = defaultdict(set)
        for name, inner in self._inside.items():
            if name in request:
                for place in request.places:
                    if place.name == name and request.body.startswith(b"{", place.value):
                        objects[place.value] |= inner
        for one in self._anywhere:
            for start in one.objects(request.body):
                objects[start] |= one.inner
                if len(objects) > PARTS_LIMIT:
                    raise too_many_parts(PARTS_LIMIT)
        return objects

    def _betas_in(self, request: Members) -> list[Span] | None:
        """What goes of the body's betas; None: all of them. What is no array of names is the upstream's business."""
        text = request.text
        start = next(place.value for place in request.places if place.name == BETAS_MEMBER)
        if text[start] != "[":
            return []
        parts = list(islice(elements(text, start), PARTS_LIMIT + 1))
        if len(parts) > PARTS_LIMIT:
            raise too_many_parts(PARTS_LIMIT)
        cut = {
            number
            for number, (at, _) in enumerate(parts)
            if text[at] == '"' and scan_value(text, at)[0].strip(" \t").encode("latin-1", "replace") in self._betas
        }
        return None if cut and len(cut) == len(parts) else cut_elements(parts, cut)


class _Anywhere:
    """Finds the objects of one name, wherever they stand."""

    __slots__ = ("_any_spelling", "_name", "_plain", "_signs", "inner")

    def __init__(self, name: str, inner: frozenset[str]) -> None:
        self.inner = inner
        raw = name.encode()
        self._name = b'"%b"' % raw
        self._signs = [b'"%b"' % one.encode() for one in inner]
        # In valid JSON the quotation mark is where a string begins, for a backslash would stand before any other; and
        # with a colon behind it the string is a name.
        value = rb'"[ \t\n\r]*:[ \t\n\r]*\{'
        self._plain = re.compile(b'"' + raw + value)
        self._any_spelling = re.compile(rb'(?<!\\)"' + b"".join(map(_spellings, name)) + value)

    def objects(self, body: bytes) -> Iterator[int]:
        """The offsets at which they begin, where the body can have one that holds what is to be cut."""
        if _has_escaped_name(body):
            return (found.end() - 1 for found in self._any_spelling.finditer(body))
        for sign in self._signs:
            if holds(body, sign):
                return self._plain_objects(body)
        return iter(())

    def _plain_objects(self, body: bytes) -> Iterator[int]:
        """Without a pattern for the search: that would look at each byte."""
        position = body.find(self._name)
        while position >= 0:
            found = self._plain.match(body, position)
            if found is not None and body[position - 1] != _BACKSLASH:
                yield found.end() - 1
            position = body.find(self._name, position + 1)


def _spellings(character: str) -> bytes:
    """A pattern for both ways in which JSON may write a character of a name."""
    code = f"{ord(character):02x}"
    return f"(?:{re.escape(character)}|\\\\u00{code[0]}[{code[1]}{code[1].upper()}])".encode()
