"""What the compiler has to say of an object: the raw material of conditions, events and lint output."""

from enum import StrEnum
from typing import Literal, NamedTuple

from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler.snapshot import ObjectRef


class Severity(StrEnum):
    ERROR = "Error"
    WARNING = "Warning"


class Finding(NamedTuple):
    """One problem of one object. Sorts by object, then path."""

    ref: ObjectRef
    path: str
    """Field path such as `spec.anthropic.apiKeySecretRef`; empty for the object as a whole."""
    severity: Severity
    condition: Literal["Accepted", "ResolvedRefs"]
    """The condition that an error turns to False."""
    reason: Reason
    message: str
    """For people: what is wrong with which value, and the way out."""


def error(
    ref: ObjectRef,
    path: str,
    reason: Reason,
    message: str,
    *,
    condition: Literal["Accepted", "ResolvedRefs"] = "Accepted",
) -> Finding:
    """A finding that turns `condition` to False."""
    return Finding(ref, path, Severity.ERROR, condition, reason, printable(message))


def warning(ref: ObjectRef, path: str, reason: Reason, message: str) -> Finding:
    """A finding that leaves the object accepted."""
    return Finding(ref, path, Severity.WARNING, "Accepted", reason, printable(message))


def printable(text: str) -> str:
    """`text` in a form that every terminal, log and API server takes: manifests may hold lone surrogates and control
    characters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()
        for character in text
    )
