"""What an upstream's error says, in whichever form its provider has for it, fit to be shown to an administrator."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from gateway_proxy.telemetry.logs import MASK, masked
from gateway_proxy.upstream.head import ResponseHead

MAX_CHARACTERS: Final = 600
_REQUEST_IDS: Final = (b"request-id", b"x-amzn-requestid", b"x-goog-request-id", b"apim-request-id", b"x-ms-request-id")
_SECRET_MEMBERS: Final = frozenset(
    {
        "accessKeyID",
        "secretAccessKey",
        "sessionToken",
        "private_key",
        "private_key_id",
        "client_secret",
        "refresh_token",
    }
)
_SHORTEST_SECRET: Final = 6
_TOKENS: Final = re.compile(
    r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?|\bya29\.[\w.-]+|(?<=Credential=)[^,\s]+|(?<=Signature=)[0-9a-fA-F]+"
)
"""Tokens that a gateway fetches by itself, in case that an answer quotes one: a JWT, Google's, and parts of a SigV4
signature (RFC 7519, 3; Google's prefix for OAuth tokens; AWS Signature Version 4)."""
_MARKUP: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


class Said(NamedTuple):
    code: str
    """The provider's own word for the kind of error; empty where it has none."""
    message: str


def said(head: ResponseHead, body: bytes) -> Said:
    """An error's code and sentence. An error of the Messages API may be the text of another one."""
    outer = _said(head, body)
    if not outer.message.startswith("{"):
        return outer
    inner = _said(head, outer.message.encode("utf-8", "replace"))
    return inner if inner.message else outer


def _said(head: ResponseHead, body: bytes) -> Said:
    amazon = (head.get(b"x-amzn-errortype") or b"").decode("latin-1").partition(":")[0]
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return Said(amazon, _MARKUP.sub(" ", body[:20_000].decode(errors="replace")))
    if isinstance(value, list) and value:  # Google's streaming methods put the error into an array
        value = value[0]
    if not isinstance(value, dict):
        return Said(amazon, "")
    error = value.get("error")
    if isinstance(error, dict):
        # Anthropic says `type`, Google `status` (and a number as `code`), Azure `code`.
        codes: Iterable[Any] = (error.get("type"), error.get("status"), error.get("code"))
        code = next((each for each in codes if isinstance(each, str)), "")
        return Said(code or amazon, _text(error.get("message")))
    code = value.get("code") or value.get("__type") or (error if isinstance(error, str) else "")
    message = value.get("message") or value.get("Message") or value.get("error_description")
    return Said(amazon or _text(code).rpartition("#")[2], _text(message))


def request_id(head: ResponseHead) -> str:
    """What the provider's support asks for."""
    return next((value.decode("latin-1")[:128] for name in _REQUEST_IDS if (value := head.get(name))), "")


def cleaner(credentials: Iterable[str]) -> Callable[[str], str]:
    """Makes a text one printable line without any of the credentials, which an upstream may quote."""
    secrets = sorted(
        {secret for value in credentials for secret in _secrets(value) if len(secret) >= _SHORTEST_SECRET},
        key=len,
        reverse=True,
    )

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        text = _TOKENS.sub(MASK, masked(text))
        line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
        return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1] + "…"

    return clean


def _secrets(value: str) -> list[str]:
    """The parts of a credential that nobody may see: all of it, or certain members of a JSON document."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return [value, value.strip()]
    return [text for name, text in document.items() if name in _SECRET_MEMBERS and isinstance(text, str)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
