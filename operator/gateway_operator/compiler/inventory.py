"""A snapshot, validated and indexed: what every part of a compilation looks things up in."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

from gateway_operator.api.v1alpha1 import (
    GatewayDeployment,
    GatewayPolicy,
    InvalidObject,
    ProviderBinding,
    not_implemented,
    validate,
)
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.merge import json_problems
from gateway_operator.compiler.references import Values
from gateway_operator.compiler.snapshot import ObjectRef, Resource, Secret, Snapshot

GATEWAY: Final = "GatewayDeployment"
BINDING: Final = "ProviderBinding"
POLICY: Final = "GatewayPolicy"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", re.ASCII)
"""A DNS subdomain, which every object name and namespace is."""


Object = GatewayDeployment | ProviderBinding | GatewayPolicy
Kind = TypeVar("Kind", bound=Object)


@dataclass(frozen=True, slots=True)
class Checked(Generic[Kind]):
    """One resource after validation."""

    resource: Resource
    object: Kind | None
    """The validated model of its kind; None when the manifest breaks its schema."""
    findings: tuple[Finding, ...]
    """Why it was refused; else a warning for each field that is accepted but not acted on."""

    @property
    def ref(self) -> ObjectRef:
        return self.resource.ref


def validated(checked: Checked[Kind]) -> Kind:
    """The object of a resource that is known to be valid."""
    if checked.object is None:
        raise ValueError(f"{checked.ref} is not valid")
    return checked.object


Attachable = Checked[ProviderBinding] | Checked[GatewayPolicy]


class Validation:
    """Remembers what was validated, so that an edit of one object costs one validation. Belongs to one caller; a
    compilation gives the same result with it and without."""

    def __init__(self) -> None:
        self._known: dict[ObjectRef, tuple[str, Checked[Object]]] = {}

    def check_all(self, resources: Iterable[Resource]) -> list[Checked[Object]]:
        """Each resource checked; what is not among them is forgotten."""
        known: dict[ObjectRef, tuple[str, Checked[Object]]] = {}
        for resource in resources:
            fingerprint = _fingerprint(resource)
            before = self._known.get(resource.ref)
            if before is None or not fingerprint or before[0] != fingerprint:
                before = (fingerprint, check(resource))
            known[resource.ref] = before
        self._known = known
        return [checked for _, checked in known.values()]


def _fingerprint(resource: Resource) -> str:
    """The same for the same manifest and age only; empty for what cannot be written down."""
    try:
        return repr((resource.manifest, resource.age))  # tells 1 from True, which == does not
    except RecursionError:
        return ""


def check(resource: Resource) -> Checked[Object]:
    """Validates one resource. Never raises: whatever is wrong with the manifest is a finding."""
    ref = resource.ref
    problems = _unfit(resource)
    if not problems:
        try:
            found = validate(resource.manifest)
        except InvalidObject as invalid:
            problems = [(violation.path, violation.message) for violation in invalid.violations]
        else:
            if type(found).__name__ == ref.kind:
                warnings = (
                    warning(ref, violation.path, Reason.NOT_IMPLEMENTED, violation.message)
                    for violation in not_implemented(found)
                )
                return Checked(resource, found, tuple(warnings))
            problems = [("kind", f"is {type(found).__name__}, expected {ref.kind}")]
    problems = problems or [("", "breaks its schema")]  # refused without a word is refused all the same
    reason = Reason.POLICY_INVALID if ref.kind == POLICY else Reason.INVALID
    return Checked(resource, None, tuple(error(ref, path, reason, message) for path, message in problems))


def _unfit(resource: Resource) -> list[tuple[str, str]]:
    """What would keep a manifest from being validated, hashed or named at all."""
    if not isinstance(resource.manifest, Mapping):
        return [("", "must be an object")]
    for member, value in (("namespace", resource.ref.namespace), ("name", resource.ref.name)):
        if not _NAME.fullmatch(value):
            return [(f"metadata.{member}", f'"{value[:80]}" must be lower-case letters, digits, "-" and "."')]
    return list(json_problems(resource.manifest, ""))


class Inventory:
    """Looks up what a snapshot holds."""

    def __init__(self, snapshot: Snapshot, validation: Validation | None = None) -> None:
        checked = (validation or Validation()).check_all(snapshot.resources)
        self.gateways = _of_kind(checked, GatewayDeployment)
        self.bindings = _of_kind(checked, ProviderBinding)
        self.policies = _of_kind(checked, GatewayPolicy)
        self.values = Values(
            {(secret.namespace, secret.name): secret for secret in snapshot.secrets},
            {(config_map.namespace, config_map.name): config_map for config_map in snapshot.config_maps},
        )
        self.namespace_labels = snapshot.namespace_labels

    @property
    def attachable(self) -> Iterator[Attachable]:
        """Everything that refers to gateways."""
        yield from self.bindings.values()
        yield from self.policies.values()

    @property
    def secrets(self) -> Iterable[Secret]:
        return self.values.secrets.values()


def _of_kind(checked: Iterable[Checked[Object]], kind: type[Kind]) -> dict[ObjectRef, Checked[Kind]]:
    """Sorted by name. What was validated is of the kind that its reference says, see `check`."""
    found = [each for each in checked if each.ref.kind == kind.__name__]
    return {each.ref: cast("Checked[Kind]", each) for each in sorted(found, key=lambda each: each.ref)}
