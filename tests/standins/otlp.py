"""Export requests as Claude Code sends them: an attribute `user.email` wherever one may stand."""

from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList

EMAIL = "user.email"
TRACE_ID, SPAN_ID = bytes(range(16)), bytes(range(8))


def attributes() -> list[KeyValue]:
    nested = KeyValueList(values=[KeyValue(key=EMAIL, value=AnyValue(string_value="n")), KeyValue(key="kept")])
    return [
        KeyValue(key="session.id", value=AnyValue(string_value="s-1")),
        KeyValue(key=EMAIL, value=AnyValue(string_value="alice@corp.example")),
        KeyValue(key="map", value=AnyValue(kvlist_value=nested)),
    ]


def metrics() -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(attributes())
    scope = resource.scope_metrics.add()
    scope.scope.attributes.extend(attributes())
    number = scope.metrics.add(name="claude_code.token.usage")
    number.metadata.extend(attributes())
    point = number.sum.data_points.add(as_int=7, attributes=attributes())
    point.exemplars.add(filtered_attributes=attributes(), span_id=SPAN_ID)
    scope.metrics.add(name="gauge").gauge.data_points.add(as_double=1.5, attributes=attributes())
    scope.metrics.add(name="histogram").histogram.data_points.add(count=1, attributes=attributes())
    scope.metrics.add(name="exponential").exponential_histogram.data_points.add(count=1, attributes=attributes())
    scope.metrics.add(name="summary").summary.data_points.add(count=1, attributes=attributes())
    return request


def logs() -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.extend(attributes())
    scope = resource.scope_logs.add()
    scope.scope.attributes.extend(attributes())
    record = scope.log_records.add(attributes=attributes(), trace_id=TRACE_ID, span_id=SPAN_ID, severity_number=9)
    record.body.string_value = "claude_code.user_prompt"
    return request


def traces() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend(attributes())
    scope = resource.scope_spans.add()
    scope.scope.attributes.extend(attributes())
    span = scope.spans.add(name="turn", trace_id=TRACE_ID, span_id=SPAN_ID, attributes=attributes())
    span.events.add(name="event", attributes=attributes())
    span.links.add(trace_id=TRACE_ID, span_id=SPAN_ID, attributes=attributes())
    return request


MESSAGES: dict[str, Any] = {"metrics": metrics(), "logs": logs(), "traces": traces()}


def as_json(message: Any) -> Any:
    """OTLP's JSON: as protobuf's own, with hexadecimal ids and numbers for enumerations."""

    def hexadecimal(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: {"traceId": TRACE_ID, "spanId": SPAN_ID}[key].hex()
                if key in ("traceId", "spanId")
                else hexadecimal(item)
                for key, item in value.items()
            }
        return [hexadecimal(item) for item in value] if isinstance(value, list) else value

    return hexadecimal(MessageToDict(message, use_integers_for_enums=True))
