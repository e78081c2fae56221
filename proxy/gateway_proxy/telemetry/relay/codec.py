"""Looking into a batch, where a destination asks for that: attributes taken out, JSON as protobuf.

Importing protobuf costs some megabytes: `codec` itself does not, its functions do.
"""

import gzip
import zlib
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway_proxy.telemetry.relay.batch import JSON, PROTOBUF, Batch, Signal, UndecodableError

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAX_INFLATED_BYTES: Final = 32 * 1024 * 1024
"""Eight times what a client may send; reports compress by about ten."""
_ATTRIBUTE: Final = "opentelemetry.proto.common.v1.KeyValue"
_HEXADECIMAL: Final = frozenset({"traceId", "spanId", "parentSpanId"})


def redacted(batch: Batch, names: Collection[str]) -> Batch:
    """The batch without the attributes of these names: of resources, scopes, records, points, events, links and
    exemplars, and inside attributes that are maps. Raises UndecodableError."""
    plain = _inflated(batch)
    if _is_json(batch):
        try:
            body = orjson.dumps(_without(_json(plain), names))
        except RecursionError as error:
            raise UndecodableError("the JSON is nested too deep") from error
    else:
        # Every name stands in protobuf as its bytes: where none does, the batch goes on as it came.
        if not any(name.encode() in plain for name in names):
            return batch
        message = _message(batch.signal, plain)
        _strip(message, names)
        body = bytes(message.SerializeToString())
    compressed = batch.encoding is not None
    return replace(batch, body=gzip.compress(body, compresslevel=6, mtime=0) if compressed else body)


def protobuf(batch: Batch) -> bytes:
    """The batch as gRPC carries it. Raises UndecodableError."""
    plain = _inflated(batch)
    if not _is_json(batch):
        return plain
    from google.protobuf.json_format import ParseDict, ParseError

    message = _request(batch.signal)
    document = _json(plain)
    if not isinstance(document, dict):
        raise UndecodableError("the JSON is no OTLP")
    try:
        ParseDict(_protobuf_json(document), message, ignore_unknown_fields=True)
    except (ParseError, RecursionError) as error:
        raise UndecodableError("the JSON is no OTLP") from error
    return bytes(message.SerializeToString())


def _inflated(batch: Batch) -> bytes:
    if batch.encoding is None:
        return batch.body
    if batch.encoding != "gzip":
        raise UndecodableError("compressed by another method than gzip")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(batch.body, MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise UndecodableError("no gzip") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise UndecodableError("cut short, or larger than may be inflated")
    if inflater.unused_data:
        # Readers differ on whether what follows belongs to it: nothing may hide there.
        raise UndecodableError("more than one gzip stream")
    return plain


def _is_json(batch: Batch) -> bool:
    """Raises UndecodableError for what is neither JSON nor protobuf: a collector might read it all the same."""
    if batch.media_type not in (JSON, PROTOBUF):
        raise UndecodableError(f"neither {PROTOBUF} nor {JSON}")
    return batch.media_type == JSON


def _json(plain: bytes) -> Any:
    try:
        return orjson.loads(plain)
    except ValueError as error:
        raise UndecodableError("no JSON") from error


def _request(signal: Signal) -> "Message":
    if signal == "Metrics":
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

        return ExportMetricsServiceRequest()
    if signal == "Logs":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        return ExportLogsServiceRequest()
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return ExportTraceServiceRequest()


def _message(signal: Signal, plain: bytes) -> "Message":
    from google.protobuf.message import DecodeError

    message = _request(signal)
    try:
        message.ParseFromString(plain)
    except DecodeError as error:
        raise UndecodableError(f"no {PROTOBUF} of OTLP") from error
    return message


def _strip(message: "Message", names: Collection[str]) -> None:
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        if not descriptor.is_repeated:
            _strip(value, names)
            continue
        if descriptor.message_type.full_name == _ATTRIBUTE:
            for position in range(len(value) - 1, -1, -1):
                if value[position].key in names:
                    del value[position]
        for item in value:
            _strip(item, names)


def _without(value: Any, names: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, names) for item in value if not (isinstance(item, dict) and item.get("key") in names)]
    return value


def _protobuf_json(value: Any) -> Any:
    """OTLP's JSON in protobuf's own: ids are hexadecimal in the one and base64 in the other."""
    if isinstance(value, dict):
        return {
            key: _base64(item) if key in _HEXADECIMAL and isinstance(item, str) else _protobuf_json(item)
            for key, item in value.items()
        }
    return [_protobuf_json(item) for item in value] if isinstance(value, list) else value


def _base64(hexadecimal: str) -> str:
    import base64

    try:
        return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
    except ValueError as error:
        raise UndecodableError("an id that is not hexadecimal") from error
