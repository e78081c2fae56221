"""The `Retry-After` header (RFC 9110, 10.2.3)."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Final

NAME: Final = b"retry-after"
LONGEST_SECONDS: Final = 31 * 24 * 3600
"""What a client is told at the most: until a monthly limit begins anew."""

_DIGITS: Final = re.compile(rb"[0-9]{1,7}")
_DATE: Final = re.compile(rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
"""The form in which dates are sent (RFC 9110, 5.6.7)."""


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


def passes(name: bytes, value: bytes) -> bool:
    """Whether a header may go to a client: any other one, and this one with seconds or a date in the form that is sent,
    up to LONGEST_SECONDS from now."""
    if name != NAME:
        return True
    if not (_DIGITS.fullmatch(value) or _DATE.fullmatch(value)):
        return False
    seconds = retry_after_seconds(value.decode())
    return seconds is not None and seconds <= LONGEST_SECONDS
