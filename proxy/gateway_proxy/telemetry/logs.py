"""The operational log: JSON lines on standard error, through the standard library's logging.

`log.info("text for people", extra={"event": "stable.name", "member": value})`. No request is logged here, no body ever;
a credential that gets into a message by way of an error's text is masked.
"""

import contextlib
import logging
import queue
import re
import sys
import time
import traceback
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Final

import orjson

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
MASK: Final = "[masked]"
MAX_MESSAGE_CHARACTERS: Final = 8192
_QUEUE_RECORDS: Final = 10_000
_LIBRARIES_OF_CLOUDS: Final = ("azure", "botocore", "google", "msal", "requests", "urllib3")
"""Their debug lines hold session tokens and assertions; of failures our own lines tell."""

_SECRET = re.compile(
    r"""
    \b(?:sk-ant-|cgk_)[A-Za-z0-9_\-]{8,}                  # keys of the Anthropic API and of this gateway
    | (?<=\bBearer\ )[A-Za-z0-9._~+/=\-]{8,}
    | (?<=://)[^/\s@:]+:[^/\s@]+(?=@)                     # user:password in a URL
    | (?<=x-api-key:\ )\S+
    | (?<=x-amz-security-token:)\ ?[^\s&"\\]+              # AWS repeats what it could not verify
    | \beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?  # a JSON web token
    | -----BEGIN[A-Z ]*PRIVATE\ KEY-----.*?(?:-----END[A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_STANDARD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


def masked(text: str) -> str:
    return _SECRET.sub(MASK, text)


class JsonFormatter(logging.Formatter):
    """One JSON object a record; members given as `extra` stand beside the standard ones."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _bounded(record.getMessage()),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD and name not in line:
                line[name] = _bounded(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _bounded("".join(traceback.format_exception(record.exc_info[1])))
        try:
            return orjson.dumps(line, default=_plain).decode()
        except TypeError:
            return orjson.dumps({name: _plain(value) for name, value in line.items()}).decode()


def _bounded(text: str) -> str:
    return masked(text[:MAX_MESSAGE_CHARACTERS])


def _plain(value: object) -> str:
    return _bounded(str(value).encode("utf-8", "replace").decode())


class _DroppingQueueHandler(QueueHandler):
    """Loses records rather than waiting when standard error is not being read."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


def start(level: str) -> QueueListener:
    """Sends every logger's records to standard error as JSON; `stop()` of what is returned writes what is queued.

    A thread writes, because a pipe that nobody reads would otherwise stop the event loop.
    """
    records: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUE_RECORDS)
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [_DroppingQueueHandler(records)]
    root.setLevel(LEVELS[level])
    # aiohttp tells of each malformed request with a traceback; that is the client's fault and only noise here.
    logging.getLogger("aiohttp.access").disabled = True
    for library in _LIBRARIES_OF_CLOUDS:
        logging.getLogger(library).setLevel(logging.ERROR)
    logging.captureWarnings(True)
    logging.raiseExceptions = False
    listener = QueueListener(records, writer)
    listener.start()
    return listener
