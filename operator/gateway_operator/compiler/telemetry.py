"""`spec.telemetry` → collectors, with the values of their headers."""

from typing import Final

from gateway_config.canonical import sha256_hex
from gateway_config.contract import Destination, Telemetry
from gateway_config.parts import Value
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1 import telemetry as api
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler.findings import Finding, error
from gateway_operator.compiler.references import UnresolvedError, Values
from gateway_operator.compiler.snapshot import ObjectRef

_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
"""Headers that describe the request itself."""


def compile_telemetry(
    gateway: GatewayDeployment, ref: ObjectRef, values: Values
) -> tuple[Telemetry, dict[str, str], list[Finding]]:
    """Telemetry, and the header values by the names that it gives them. A destination whose headers cannot be had is
    left out: what it would send without them is refused, or taken for somebody else's."""
    destinations: list[Destination] = []
    credentials: dict[str, str] = {}
    findings: list[Finding] = []
    for position, destination in enumerate(gateway.spec.telemetry.destinations):
        path = f"spec.telemetry.destinations[{position}].headersSecretRef"
        try:
            headers = _headers(destination, ref, values)
        except UnresolvedError as problem:
            findings.append(error(ref, path, problem.reason, str(problem), condition="ResolvedRefs"))
            continue
        named = {name: f"telemetry/{destination.name}/{name}" for name in headers}
        credentials |= {named[name]: value for name, value in headers.items()}
        destinations.append(
            Destination(
                name=destination.name,
                endpoint=destination.endpoint.rstrip("/"),
                protocol="GRPC" if destination.protocol is api.TelemetryProtocol.GRPC else "HTTP",
                signals=_signals(destination),
                headers={
                    name: Value(name=named[name], sha256=sha256_hex(value.encode())) for name, value in headers.items()
                },
                redact=tuple(destination.redact),
            )
        )
    telemetry = Telemetry(destinations=tuple(destinations), gateway_metrics=gateway.spec.telemetry.gateway_metrics)
    return telemetry, credentials, findings


def _signals(destination: api.Destination) -> tuple[str, ...]:
    return tuple(signal.value for signal in api.Signal if signal in destination.signals)


def _headers(destination: api.Destination, ref: ObjectRef, values: Values) -> dict[str, str]:
    """Raises UnresolvedError."""
    reference = destination.headers_secret_ref
    if reference is None:
        return {}
    headers: dict[str, str] = {}
    for key, value in values.headers(ref.namespace, reference, url=destination.endpoint).items():
        name = key.lower()
        if name in _OURS or name in headers or name.startswith("grpc-") or name.endswith("-bin"):
            raise UnresolvedError(
                Reason.SECRET_INVALID,
                f"Secret {ref.namespace}/{reference.name}, key {key}, is no header that can be added: its keys are "
                "header names such as Authorization, each once, without those that describe the request itself",
            )
        headers[name] = value
    return headers
