"""Text to values, as Kubernetes reads YAML and JSON, and back from a field path to its line.

Differences to plain YAML that matter to a manifest: an unquoted date stays a string, a key that stands twice is
refused, every key is a string, tags other than the core ones are refused. Lines are counted from 0 within a document.
"""

import io
import itertools
import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from yaml._yaml import CParser

MAX_DEPTH = 100
"""Levels of nesting; the composer of libyaml recurses in C and would overflow the stack at some thousands."""
MAX_ALIASED_VALUES = 100_000
"""Values that aliases may add to a document."""
SURELY_SHALLOW = 500
"""A document with fewer structure characters is parsed without counting its depth first."""

_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z")
_OTHER_INTEGER = re.compile(r"[-+]?0(?:x[0-9a-fA-F_]+|b[01_]+|o?[0-7_]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_NUMBER_START = frozenset("0123456789+-.")

_CORE = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ = _CORE + "str", _CORE + "map", _CORE + "seq"
_TAGGED: dict[str, type | tuple[type, ...]] = {
    _CORE + "int": int,
    _CORE + "float": (int, float),
    _CORE + "bool": bool,
    _CORE + "null": type(None),
}
_PLAIN = ""
"""Tag of a scalar written without quotes and without a tag: its text decides."""
_WORDS: dict[str, bool | None] = {
    **{spelling: True for word in ("y", "yes", "true", "on") for spelling in (word, word.capitalize(), word.upper())},
    **{spelling: False for word in ("n", "no", "false", "off") for spelling in (word, word.capitalize(), word.upper())},
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


class DocumentError(Exception):
    """Text that is not a readable document."""

    def __init__(self, line: int, message: str, *, first_line: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.first_line = first_line
        """Where the same thing stands a first time."""
        self.path: tuple[str | int, ...] = ()

    @property
    def field(self) -> str:
        return render_path(self.path)


class Chunk(NamedTuple):
    """One document of a multi-document text."""

    text: str
    offset: int
    """Of its first character in the whole text."""


def split(text: str) -> Iterator[Chunk]:
    """The documents of a YAML text that hold something."""
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text)), len(text)]
    for start, end in itertools.pairwise(starts):
        chunk = text[start:end]
        if not all(map(_says_nothing, io.StringIO(chunk))):
            yield Chunk(chunk, start)


def _says_nothing(line: str) -> bool:
    line = line.removeprefix("---").strip(" \t\r\n\ufeff")
    return not line or line == "..." or line.startswith(("#", "%YAML"))


def render_path(path: tuple[str | int, ...]) -> str:
    """`spec.matches[0].groups`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def parse_yaml(text: str) -> Any:
    """The value of one document. Raises DocumentError."""
    return _Builder().build(_compose(text))


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises DocumentError."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise DocumentError(error.lineno - 1, f"not JSON: {error.msg}") from None
    except UnicodeEncodeError:
        raise DocumentError(0, "a \\u escape stands for half a character") from None
    except RecursionError:
        raise DocumentError(0, f"nested deeper than {MAX_DEPTH} levels") from None
    except _DuplicateKeyError as error:
        # The positions come from the YAML reader, which takes nearly all JSON; it words the error as well.
        _Builder().build(_compose(text))
        raise DocumentError(0, f'the key "{error}" stands twice') from None
    except ValueError as error:
        reason = "a number is too large" if "integer string" in str(error) else error
        raise DocumentError(0, f"not JSON: {reason}") from None
    _check_value(value, MAX_DEPTH)
    return value


def line_of(text: str, path: str) -> int:
    """The line of the field at `path`; of the nearest field around it where it is not written."""
    try:
        node = _compose(text)
    except DocumentError:
        return 0
    line = 0 if node is None else node.start_mark.line
    rest = path
    for _ in range(MAX_DEPTH):
        step = _child(node, rest)
        if step is None:
            break
        line, node, rest = step
    return line


def _child(node: yaml.Node | None, path: str) -> tuple[int, yaml.Node, str] | None:
    """Line of the first step of `path`, its node, and what is left of the path."""
    if isinstance(node, yaml.SequenceNode):
        match = re.match(r"\[(\d+)\]\.?", path)
        if match is None or int(match[1]) >= len(node.value):
            return None
        item = node.value[int(match[1])]
        return item.start_mark.line, item, path[match.end() :]
    if not isinstance(node, yaml.MappingNode) or not path:
        return None
    best: tuple[yaml.Node, yaml.Node, str] | None = None
    for key, value in node.value:
        # Keys may hold dots, so the longest key that the path begins with is meant.
        for spelling in (key.value, f"[{key.value}]", f'["{key.value}"]', f"['{key.value}']"):
            if not isinstance(key.value, str) or not path.startswith(spelling):
                continue
            rest = path[len(spelling) :]
            if rest[:1] in ("", ".", "[") and (best is None or len(rest) < len(best[2])):
                best = key, value, rest
    if best is None:
        return None
    return best[0].start_mark.line, best[1], best[2].removeprefix(".")


class _Loader(CParser):
    """libyaml's parser. Tags of plain scalars are left to the builder."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _STR
        return _MAP if kind is yaml.MappingNode else _SEQ

    def descend_resolver(self, *_: Any) -> None:
        pass

    ascend_resolver = descend_resolver


def _compose(text: str) -> yaml.Node | None:
    text = text.removeprefix("\ufeff")
    control = _CONTROL.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start())
        raise DocumentError(line, f"the control character U+{ord(control[0]):04X} may not stand in YAML")
    try:
        if sum(map(text.count, "[{?-:")) > SURELY_SHALLOW:
            _check_depth(text)
        node: yaml.Node | None = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _explained(error, text) from None
    except yaml.YAMLError as error:
        raise DocumentError(0, f"not YAML: {' '.join(str(error).split())}") from None
    return node


def _check_depth(text: str) -> None:
    parser = _Loader(text)
    depth = 0
    while (event := parser.get_event()) is not None:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark = event.start_mark
                raise DocumentError(mark.line if mark else 0, f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _explained(error: yaml.MarkedYAMLError, text: str) -> DocumentError:
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark is not None else 0
    lines = text.splitlines()
    context_mark = error.context_mark
    begins = context_mark.line if context_mark is not None else line
    where = lines[line] if line < len(lines) else ""
    problem = error.problem or "cannot be parsed"
    if "cannot start any token" in problem:
        character = where[mark.column : mark.column + 1] if mark is not None else ""
        if character == "\t":
            return DocumentError(line, "a tab indents this line; YAML takes only spaces")
        return DocumentError(line, f"not YAML: a value cannot begin with {character!r}; put it in quotes")
    if "unexpected end of stream" in problem or "found unexpected document indicator" in problem:
        return DocumentError(begins, "not YAML: a quote that opens on this line is never closed")
    context = f", {error.context}" if error.context else ""
    if begins != line:
        context += f" that begins {line - begins} line{'s' * (line - begins != 1)} above"
    return DocumentError(line, f"not YAML: {problem}{context}")


class _Builder:
    """Builds the value of one document's nodes."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._aliased = 0
        """Values built again because an alias names them."""

    def build(self, node: yaml.Node | None) -> Any:
        if node is None:
            return None
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        self._enter(node)
        try:
            return self._mapping(node) if isinstance(node, yaml.MappingNode) else self._sequence(node)
        finally:
            self._open.discard(id(node))

    def _enter(self, node: yaml.Node) -> None:
        identity = id(node)
        if identity in self._open:
            raise DocumentError(node.start_mark.line, "an alias stands inside the value that it names")
        if identity in self._seen:
            self._aliased += len(node.value) + 1
            if self._aliased > MAX_ALIASED_VALUES:
                raise DocumentError(node.start_mark.line, f"aliases repeat more than {MAX_ALIASED_VALUES} values")
        self._seen.add(identity)
        self._open.add(identity)
        if len(self._open) > MAX_DEPTH:
            raise DocumentError(node.start_mark.line, f"nested deeper than {MAX_DEPTH} levels")

    def _sequence(self, node: yaml.Node) -> list[Any]:
        if node.tag != _SEQ:
            raise _unknown_tag(node)
        items: list[Any] = []
        try:
            for item in node.value:
                items.append(self.build(item))  # noqa: PERF401  # the length tells the error which item it is
        except DocumentError as error:
            error.path = (len(items), *error.path)
            raise
        return items

    def _mapping(self, node: yaml.Node) -> dict[str, Any]:
        if node.tag != _MAP:
            raise _unknown_tag(node)
        result: dict[str, Any] = {}
        merges: list[yaml.Node] = []
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.value == "<<" and key_node.tag == _PLAIN:
                merges.append(value_node)
                continue
            key = _key(key_node)
            try:
                if key in lines:
                    raise DocumentError(
                        key_node.start_mark.line, f'the key "{key}" stands twice', first_line=lines[key]
                    )
                result[key] = self.build(value_node)
            except DocumentError as error:
                error.path = (key, *error.path)
                raise
            lines[key] = key_node.start_mark.line
        for merge in merges:
            for source in self._merged(merge):
                result = source | result
        return result

    def _merged(self, node: yaml.Node) -> list[dict[str, Any]]:
        value = self.build(node)
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise DocumentError(node.start_mark.line, "<< wants a mapping or a list of mappings")
        return sources


def _unknown_tag(node: yaml.Node) -> DocumentError:
    if node.tag.startswith(_CORE):
        message = f"unknown tag {node.tag.replace(_CORE, '!!')}: write the plain value"
    else:
        # Not which one: an unquoted password may begin with "!".
        message = 'a value that begins with "!" has an unknown tag; put it in quotes'
    return DocumentError(node.start_mark.line, message)


def _key(node: yaml.Node) -> str:
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if value is None:
        raise DocumentError(node.start_mark.line, "a key must be a string")
    return value if isinstance(value, str) else json.dumps(value)


def _scalar(node: yaml.Node) -> Any:
    tag, text = node.tag, node.value
    if tag == _STR:
        return text
    if tag == _PLAIN:
        return _plain(node, text)
    kind = _TAGGED.get(tag)
    if kind is None:
        raise _unknown_tag(node)
    value = _plain(node, text)
    if not isinstance(value, kind):
        raise DocumentError(node.start_mark.line, f"the value is not {tag.replace(_CORE, '!!')}")
    return value


def _plain(node: yaml.Node, text: str) -> Any:
    """What an unquoted scalar means to Kubernetes (YAML 1.1 without dates and base-60 numbers)."""
    if text[:1] not in _NUMBER_START:
        return _WORDS.get(text, text) if len(text) <= 5 else text
    try:
        if _DECIMAL.match(text):
            return int(text)
        if _OTHER_INTEGER.match(text):
            return _other_integer(text)
        if _FLOAT.match(text):
            return _finite(float(text))
    except (ValueError, OverflowError):
        raise DocumentError(node.start_mark.line, "the number is too large; put it in quotes") from None
    if _NOT_FINITE.match(text):
        raise DocumentError(node.start_mark.line, f"{text} is not a number that JSON has")
    return text


def _other_integer(text: str) -> int:
    plain = text.replace("_", "").lower()
    digits = plain.lstrip("+-")
    return int(plain, 0) if digits[1:2] in ("x", "b", "o") else int(plain, 8)


def _finite(number: float) -> int | float:
    """A whole number becomes an int, as on its way through JSON to the API server."""
    if not math.isfinite(number):
        raise ValueError
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        raise _DuplicateKeyError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]  # add() is None on purpose
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that JSON has")


def _check_value(value: Any, levels: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise DocumentError(0, "a number is too large")
    if isinstance(value, dict | list):
        if levels == 0:
            raise DocumentError(0, f"nested deeper than {MAX_DEPTH} levels")
        for item in value.values() if isinstance(value, dict) else value:
            _check_value(item, levels - 1)
