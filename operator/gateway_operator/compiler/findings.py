"""What the compiler has to say of an object: the raw material of conditions, events and lint output."""

from enum import StrEnum
from typing import Literal, NamedTuple

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
    reason: str
    """Stable CamelCase, for example `SecretNotFound`."""
    message: str
    """For people: what is wrong with which value, and the way out."""
