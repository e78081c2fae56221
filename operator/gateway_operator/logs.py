"""Log lines: one JSON object a line on standard error, ours and kopf's alike."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import orjson

_LONGEST_MESSAGE: Final = 4000
"""Characters. kopf lists every object in some messages."""


class JsonFormatter(logging.Formatter):
    """time, level, logger, message; `object` where kopf knows it, `error` with the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name.removeprefix("gateway_operator."),
            "message": _cut(record.getMessage()),
        }
        ref = getattr(record, "k8s_ref", None)
        if isinstance(ref, dict):
            line["object"] = f"{ref.get('kind')} {ref.get('namespace')}/{ref.get('name')}"
        if record.exc_info:
            line["error"] = _cut(self.formatException(record.exc_info), end=True)
        return orjson.dumps(line, default=str).decode()


def _cut(text: str, *, end: bool = False) -> str:
    if len(text) <= _LONGEST_MESSAGE:
        return text
    left = f"({len(text) - _LONGEST_MESSAGE} characters left out)"
    return f"{left} {text[-_LONGEST_MESSAGE:]}" if end else f"{text[:_LONGEST_MESSAGE]} {left}"


def configure(level: int) -> None:
    """Everything that logs goes through our format. kopf's line for each event it passes on is left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    quiet = logging.DEBUG if level <= logging.DEBUG else logging.WARNING
    for name in ("kopf", "kopf.objects", "kopf.activities", "aiohttp.access"):
        logging.getLogger(name).setLevel(quiet)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
