"""One export request, as a client sent it, and what can become of it."""

from dataclasses import dataclass, field
from typing import Final, Literal

Signal = Literal["Metrics", "Logs", "Traces"]
SIGNALS: Final[tuple[Signal, ...]] = ("Metrics", "Logs", "Traces")

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Batch:
    signal: Signal
    body: bytes = field(repr=False)
    content_type: str
    encoding: str | None
    """None: not compressed."""
    received_at: float
    """In the event loop's time."""

    @property
    def media_type(self) -> str:
        return self.content_type.partition(";")[0].strip().lower()


class UndecodableError(Exception):
    """A batch that is not what its headers say."""


class RefusedError(Exception):
    """The collector does not take this batch, however often it is sent. The text is for the log."""


class LaterError(Exception):
    """The collector cannot take the batch now. The text is for the log."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after
        """Seconds that the collector asked for."""
