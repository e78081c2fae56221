"""A manifest to a model, or everything that is wrong with it in words that a person can act on."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from gateway_operator.api.v1alpha1.base import GROUP, VERSION
from gateway_operator.api.v1alpha1.gateway_deployment import GatewayDeployment
from gateway_operator.api.v1alpha1.gateway_policy import GatewayPolicy
from gateway_operator.api.v1alpha1.messages import shown
from gateway_operator.api.v1alpha1.problems import Problems
from gateway_operator.api.v1alpha1.provider_binding import ProviderBinding

Resource = GatewayDeployment | ProviderBinding | GatewayPolicy

KINDS: Final[dict[str, type[Resource]]] = {
    "GatewayDeployment": GatewayDeployment,
    "ProviderBinding": ProviderBinding,
    "GatewayPolicy": GatewayPolicy,
}


class Violation(NamedTuple):
    """Something that keeps an object from being accepted."""

    path: str
    """The field, as people write it: `spec.matches[0].groups`."""
    message: str


class InvalidObject(Exception):  # noqa: N818  # what it says of the manifest, not of the program
    """The manifest breaks the schema or a rule."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("; ".join(f"{path}: {message}" if path else message for path, message in violations))
        self.violations = violations


def validate(manifest: Mapping[str, Any]) -> Resource:
    """The model of a manifest.

    `status` is not looked at: the API server drops it too. A null stands for a field that is not there. Raises
    `InvalidObject` with every violation.
    """
    kind = manifest.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidObject((Violation("kind", f"must be one of {', '.join(KINDS)}, got {shown(kind)}"),))
    if manifest.get("apiVersion") != f"{GROUP}/{VERSION}":
        wrong = shown(manifest.get("apiVersion"))
        raise InvalidObject((Violation("apiVersion", f"must be {GROUP}/{VERSION}, got {wrong}"),))
    if "status" in manifest:
        manifest = {name: value for name, value in manifest.items() if name != "status"}
    try:
        return model.model_validate(manifest)
    except ValidationError as error:
        problems = Problems(model)
        repaired = problems.gather(manifest, error)
        if repaired is not None and not problems.found:
            return model.model_validate(repaired)
        raise InvalidObject(tuple(Violation(*problem) for problem in problems.found)) from None
