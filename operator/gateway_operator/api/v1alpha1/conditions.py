"""Conditions (KEP-1623): what a resource's status says, in the same words for every kind."""

from typing import Annotated, Any, Final

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Choice, Model, doc
from gateway_operator.api.v1alpha1.lists import map_list


class ConditionType(Choice):
    """All four are there from first sight on, and each says something good."""

    ACCEPTED = "Accepted"
    """The object itself is sound."""
    RESOLVED_REFS = "ResolvedRefs"
    """Everything that it refers to exists and may be used."""
    PROGRAMMED = "Programmed"
    """Every ready proxy pod has loaded a revision that contains this generation of the object."""
    READY = "Ready"
    """The summary of the other three."""


class ConditionStatus(Choice):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(Choice):
    """Reasons that this version gives. They are stable: scripts may compare them."""

    PENDING = "Pending"
    """Not looked at yet."""
    ACCEPTED = "Accepted"
    ACCEPTED_WITH_WARNINGS = "AcceptedWithWarnings"
    """Sound, but with a field that this version does not act on."""
    INVALID = "Invalid"
    """A field breaks the schema or a rule."""
    NOT_IMPLEMENTED = "NotImplemented"
    """A warning: a field is accepted and not acted on."""
    STORE_REQUIRED = "StoreRequired"
    """Sign-ins, spend limits and a stored audit log need a store."""
    POLICY_INVALID = "PolicyInvalid"
    """The policy could not be compiled; the callers whom it matches are denied."""
    RESOLVED_REFS = "ResolvedRefs"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105  # a reason, no password
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    GATEWAY_NOT_FOUND = "GatewayNotFound"
    PROGRAMMED = "Programmed"
    REFS_NOT_RESOLVED = "RefsNotResolved"
    """Not programmed because a reference is not resolved."""
    NO_READY_PODS = "NoReadyPods"
    READY = "Ready"


class Condition(Model):
    """One aspect of an object's state."""

    type: Annotated[ConditionType, doc("The aspect.", example="Programmed")]
    status: Annotated[ConditionStatus, doc("Whether it holds; Unknown until it has been looked at.", example="True")]
    reason: Annotated[
        str,
        doc(
            "Why, as one stable CamelCase word.",
            example="SecretNotFound",
            min_length=1,
            max_length=128,
            pattern=r"^[A-Z][A-Za-z0-9]*$",
        ),
    ]
    message: Annotated[
        str,
        doc(
            "Why, for people: the field's path, what is wrong and the way out.",
            example="spec.anthropic.apiKeySecretRef: Secret claude/anthropic does not exist",
            max_length=32768,
        ),
    ] = ""
    last_transition_time: Annotated[
        str,
        doc(
            "When the status last changed.",
            example="2027-01-31T12:00:00Z",
            max_length=64,
            json_schema_extra={"format": "date-time"},
        ),
    ]
    observed_generation: Annotated[
        int | None,
        doc("The generation of the object that the condition speaks of.", example=4, ge=0),
    ] = None


Conditions = Annotated[list[Condition], Field(max_length=8), map_list("type")]

UNKNOWN_CONDITIONS: Final[tuple[dict[str, Any], ...]] = tuple(
    {
        "type": str(kind),
        "status": "Unknown",
        "reason": "Pending",
        "message": "Waiting for the operator",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    for kind in ConditionType
)
"""What the API server puts into an object's status before anybody has looked at it: tools take an object without
status as current."""
