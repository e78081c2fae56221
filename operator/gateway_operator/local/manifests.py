"""Reads directories of manifests into a snapshot, and knows on which line every field stands.

A document is parsed once: as long as its text stays the same, an edit elsewhere does not cost it
anything. Lines are counted only when there is something to report.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gateway_operator.compiler.snapshot import ConfigMap, ObjectRef, Resource, Secret, Snapshot
from gateway_operator.local.documents import Chunk, DocumentError, line_of, parse_json, parse_yaml, split
from gateway_operator.local.objects import LocalObject, objects

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE_BYTES = 16 * 1024 * 1024
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""Kubernetes sets it on every namespace."""


class Problem(NamedTuple):
    """Something wrong at one place. Sorts by place."""

    file: str
    line: int
    """From 1; 0 for the file as a whole."""
    field: str
    message: str

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        name = f"{self.field}: " if self.field else ""
        return f"{self.file}{line}: {name}{self.message}"


class Place(NamedTuple):
    """Where an object was written."""

    file: str
    text: str
    """Of the whole file."""
    chunk: Chunk
    prefix: str

    def line(self, path: str = "") -> int:
        """The line of a field of the object, from 1."""
        inside = line_of(self.chunk.text, self.prefix + path if path else self.prefix.removesuffix("."))
        return self.text.count("\n", 0, self.chunk.offset) + inside + 1

    def problem(self, path: str, message: str) -> Problem:
        return Problem(self.file, self.line(path), path, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """What the directories say."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    unreadable: tuple[Problem, ...] = ()
    """Files and documents that cannot be read at all."""
    faults: tuple[Problem, ...] = ()
    """Objects without a usable name, broken Secrets and ConfigMaps, and what stands twice."""
    notes: tuple[Problem, ...] = ()
    places: dict[ObjectRef, Place] = field(default_factory=dict, repr=False)
    elsewhere: str = "in these files"
    """Where a Secret or ConfigMap was looked for that may be in the cluster all the same; empty: what was not found is
    nowhere."""

    @property
    def objects(self) -> int:
        """How many there are."""
        snapshot = self.snapshot
        return len(self.places) or len(snapshot.resources) + len(snapshot.secrets) + len(snapshot.config_maps)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Anything here means that the files as a whole cannot be used."""
        return tuple(sorted(self.unreadable + self.faults))

    def problem(self, ref: ObjectRef, path: str, message: str) -> Problem:
        """A finding of the compiler with its place; without one for an object that is not in the files."""
        place = self.places.get(ref)
        if place is not None:
            return place.problem(path, message)
        return Problem(str(ref), 0, path, message)


class DirectoryUnreadableError(Exception):
    """A directory that cannot be listed; nothing can be said of its manifests."""

    def __init__(self, directory: Path, reason: str) -> None:
        self.problem = Problem(str(directory), 0, "", reason)
        super().__init__(str(self.problem))


class ManifestReader:
    """Reads the same directories again and again."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories
        self._known: dict[tuple[bool, str], _Document] = {}

    def read(self) -> Manifests:
        """Raises DirectoryUnreadableError."""
        collection = _Collection()
        kept: dict[tuple[bool, str], _Document] = {}
        for path in self._files():
            try:
                text = _text(path)
            except _UnreadableError as error:
                collection.unreadable.append(Problem(str(path), error.line, "", str(error)))
                continue
            is_json = path.suffix == ".json"
            for number, chunk in enumerate([Chunk(text, 0)] if is_json else split(text)):
                key = is_json, chunk.text
                document = self._known.get(key) or _document(chunk.text, is_json=is_json)
                kept[key] = document
                collection.add(str(path), text, chunk, document, position=number)
        self._known = kept
        return collection.manifests()

    def signature(self) -> tuple[object, ...]:
        """Changes whenever a file does. Cheap: nothing is opened."""
        try:
            return tuple((str(path), _stamp(path)) for path in self._files())
        except DirectoryUnreadableError:
            return ()

    def _files(self) -> Iterator[Path]:
        for directory in self._directories:
            try:
                with os.scandir(directory) as entries:
                    names = sorted(entry.name for entry in entries if not _is_directory(entry))
            except OSError as error:
                raise DirectoryUnreadableError(directory, _reason(error)) from None
            for name in names:
                if not name.startswith(".") and name.endswith(SUFFIXES):
                    yield directory / name


class _Document(NamedTuple):
    objects: tuple[LocalObject, ...]
    error: DocumentError | None


def _document(text: str, *, is_json: bool) -> _Document:
    try:
        return _Document(tuple(objects(parse_json(text) if is_json else parse_yaml(text))), None)
    except DocumentError as error:
        return _Document((), error)


class _Collection:
    """Gathers the objects of all files."""

    def __init__(self) -> None:
        self.unreadable: list[Problem] = []
        self.faults: list[Problem] = []
        self.notes: list[Problem] = []
        self.places: dict[ObjectRef, Place] = {}
        self.resources: list[Resource] = []
        self.secrets: list[Secret] = []
        self.config_maps: list[ConfigMap] = []
        self.namespace_labels: dict[str, dict[str, str]] = {}

    def add(self, file: str, text: str, chunk: Chunk, document: _Document, *, position: int) -> None:
        if document.error is not None:
            self.unreadable.append(_syntax_problem(file, text, chunk, document.error))
        for number, item in enumerate(document.objects):
            place = Place(file, text, chunk, item.prefix)
            if item.note is not None:
                self.notes.append(Problem(file, place.line("kind"), "", item.note))
            self.faults += [place.problem(fault.path, fault.message) for fault in item.faults]
            if item.ref is not None:
                self._add_object(item, item.ref, place, age=(file, position, number))

    def _add_object(self, item: LocalObject, ref: ObjectRef, place: Place, *, age: tuple[str | int, ...]) -> None:
        first = self.places.setdefault(ref, place)
        if first is not place:
            where = f"{first.file}:{first.line('metadata.name')}"
            self.faults.append(place.problem("metadata.name", f"{ref} stands twice, first in {where}"))
        elif isinstance(item.value, Secret):
            self.secrets.append(item.value)
        elif isinstance(item.value, ConfigMap):
            self.config_maps.append(item.value)
        elif ref.kind == "Namespace":
            self.namespace_labels[ref.name] = dict(item.manifest["metadata"].get("labels") or {})
        elif ref.kind not in ("Secret", "ConfigMap"):
            self.resources.append(Resource(ref=ref, manifest=item.manifest, age=age))

    def manifests(self) -> Manifests:
        for ref in self.places:
            name = ref.namespace or ref.name
            self.namespace_labels.setdefault(name, {})[NAMESPACE_NAME_LABEL] = name
        return Manifests(
            snapshot=Snapshot(
                resources=tuple(self.resources),
                secrets=tuple(self.secrets),
                config_maps=tuple(self.config_maps),
                namespace_labels=self.namespace_labels,
            ),
            unreadable=tuple(sorted(set(self.unreadable))),
            faults=tuple(sorted(set(self.faults))),
            notes=tuple(sorted(set(self.notes))),
            places=self.places,
        )


def _syntax_problem(file: str, text: str, chunk: Chunk, error: DocumentError) -> Problem:
    start = text.count("\n", 0, chunk.offset) + 1
    first = f", first on line {start + error.first_line}" if error.first_line is not None else ""
    return Problem(file, start + error.line, error.field, f"{error}{first}")


class _UnreadableError(Exception):
    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def _text(path: Path) -> str:
    try:
        # Opened without waiting: a named pipe would hold the reader for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _UnreadableError("is not a regular file; manifests are read from files only")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {_reason(error)}") from None
    if len(data) > MAX_FILE_BYTES:
        raise _UnreadableError(f"is larger than {MAX_FILE_BYTES // 1024**2} MiB; split it")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _UnreadableError("is UTF-16; save it as UTF-8", 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _UnreadableError(
            f"is not UTF-8: the byte 0x{data[error.start]:02x} does not belong there", line
        ) from None


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A loop of links, for example: opening it says what is wrong.
        return False


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
