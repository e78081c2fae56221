"""The `Retry-After` header (RFC 9110, 10.2.3)."""

import time
from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str | None) -> float | None:
    """Seconds from now, of a number or a date; None where there is none, or none that can be read."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError, IndexError):
        return None  # what the library raises depends on which part makes no sense
