"""A snapshot, validated and indexed: what every part of a compilation looks things up in."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_operator.api.v1alpha1 import InvalidObject, not_implemented, validate
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.merge import json_problems
from gateway_operator.compiler.references import Values
from gateway_operator.compiler.snapshot import ObjectRef, Resource, Secret, Snapshot

GATEWAY: Final = "GatewayDeployment"
BINDING: Final = "ProviderBinding"
POLICY: Final = "GatewayPolicy"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", re.ASCII)
"""A DNS subdomain, which every object name and namespace is."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One resource after validation."""

    resource: Resource
    object: Any
    """The validated model of its kind; None when the manifest breaks its schema."""
    findings: tuple[Finding, ...]
    """Why it was refused; else a warning for each field that is accepted but not acted on."""

    @property
    def ref(self) -> ObjectRef:
        return self.resource.ref


class Validation:
    """Remembers what was validated, so that an edit of one object costs one validation. Belongs to one caller; a
    compilation gives the same result with it and without."""

    def __init__(self) -> None:
        self._known: dict[ObjectRef, tuple[str, Checked]] = {}

    def check_all(self, resources: Iterable[Resource]) -> list[Checked]:
        """Each resource checked; what is not among them is forgotten."""
        known: dict[ObjectRef, tuple[str, Checked]] = {}
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


def check(resource: Resource) -> Checked:
    """Validates one resource. Never raises: whatever is wrong with the manifest is a finding."""
    ref = resource.ref
    problems = _unfit(resource)
    if not problems:
        try:
            validated = validate(resource.manifest)
        except InvalidObject as invalid:
            problems = [(violation.path, violation.message) for violation in invalid.violations]
        else:
            if type(validated).__name__ == ref.kind:
                warnings = (
                    warning(ref, violation.path, "NotImplemented", violation.message)
                    for violation in not_implemented(validated)
                )
                return Checked(resource, validated, tuple(warnings))
            problems = [("kind", f"is {type(validated).__name__}, expected {ref.kind}")]
    reason = "PolicyInvalid" if ref.kind == POLICY else "Invalid"
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
        self.gateways = _of_kind(checked, GATEWAY)
        self.bindings = _of_kind(checked, BINDING)
        self.policies = _of_kind(checked, POLICY)
        self.values = Values(
            {(secret.namespace, secret.name): secret for secret in snapshot.secrets},
            {(config_map.namespace, config_map.name): config_map for config_map in snapshot.config_maps},
        )
        self.namespace_labels = snapshot.namespace_labels

    @property
    def secrets(self) -> Iterable[Secret]:
        return self.values.secrets.values()


def _of_kind(checked: Iterable[Checked], kind: str) -> dict[ObjectRef, Checked]:
    return {each.ref: each for each in sorted(checked, key=lambda each: each.ref) if each.ref.kind == kind}
