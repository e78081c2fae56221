"""Where metrics, logs and audit lines go."""

from typing import Annotated

from pydantic import Field

from gateway_operator.api.v1alpha1.addresses import EndpointURL
from gateway_operator.api.v1alpha1.base import Choice, Model, doc
from gateway_operator.api.v1alpha1.lists import map_list, set_list
from gateway_operator.api.v1alpha1.references import SecretRef
from gateway_operator.api.v1alpha1.scalars import Label


class TelemetryProtocol(Choice):
    HTTP = "HTTP"
    GRPC = "GRPC"


class Signal(Choice):
    METRICS = "Metrics"
    LOGS = "Logs"
    TRACES = "Traces"


class Destination(Model):
    """An OTLP collector."""

    name: Annotated[Label, doc("Name in metrics and messages.", example="grafana")]
    endpoint: Annotated[
        EndpointURL,
        doc(
            "The collector's base URL; /v1/metrics, /v1/logs and /v1/traces are appended for HTTP.",
            example="https://otlp.example:4318",
        ),
    ]
    protocol: Annotated[TelemetryProtocol, doc("OTLP over HTTP or over gRPC.", example="GRPC")] = TelemetryProtocol.HTTP
    signals: Annotated[
        list[Signal],
        doc(
            "What is sent there. Logs and traces can hold commands and paths.",
            example=["Metrics", "Logs"],
            min_length=1,
            max_length=3,
        ),
        set_list(),
    ] = [Signal.METRICS]
    headers_secret_ref: Annotated[
        SecretRef | None,
        doc("Secret whose keys are sent as headers, each with its value. Default: none.", example={"name": "otlp"}),
    ] = None
    redact: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]],
        doc("Attributes that are taken out before sending. Default: none.", example=["user.email"], max_length=64),
        set_list(),
    ] = []


class Telemetry(Model):
    """Relays what Claude Code reports, and reports of the gateway itself."""

    destinations: Annotated[
        list[Destination],
        doc("Collectors. Default: none; clients are then not told to report.", max_length=8),
        map_list("name"),
    ] = []
    gateway_metrics: Annotated[
        bool, doc("Whether the gateway's own usage metrics go to those destinations too.", example=False)
    ] = True


class Audit(Model):
    """One line for each request and each refusal; never prompt or completion text."""

    stdout: Annotated[bool, doc("Whether audit lines are written to standard output, as JSON.", example=True)] = True
    store: Annotated[
        bool | None,
        doc(
            "Whether they are kept in the store; true needs one. Default: kept wherever the gateway has a store.",
            example=True,
        ),
    ] = None
