"""What a token endpoint said as it refused, in one line that is fit for a log: its own error code first, because that
is what people search for, and never a secret."""

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from gateway_proxy.outbound.client import Answer

_TEXT_CHARACTERS: Final = 300
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,79}\Z")
_XML_CODE: Final = re.compile(r"<Code>\s*([^<]+?)\s*</Code>")
_XML_TEXT: Final = re.compile(r"<Message>\s*([^<]+?)\s*</Message>")
_ENTRA: Final = re.compile(r"AADSTS\d+")
_LIKE_A_TOKEN: Final = re.compile(r"eyJ[\w.~+/=-]+|[\w~+/=-]{60,}")
_MASK: Final = "[masked]"


class Refusal(NamedTuple):
    status: int
    code: str
    """AccessDenied, invalid_grant, AADSTS7000215; empty where the answer names none."""
    text: str

    def told(self, ways_out: Mapping[str, str], secrets: Iterable[str] = ()) -> str:
        """`ways_out`: by code; that of "" is for any other."""
        text = self.text
        for secret in secrets:
            text = text.replace(secret, _MASK)
        said = self.code or f"status {self.status}"
        about = ", ".join(filter(None, (f"status {self.status}" if self.code else "", text)))
        way_out = next((ways_out[code] for code in (*reversed(self.code.split()), "") if code in ways_out), "")
        return f"{said}{f' ({about})' if about else ''}{f': {way_out}' if way_out else ''}"


def refusal(answer: Answer) -> Refusal:
    """Of an answer whose status is 400 or above."""
    body = answer.body.decode("utf-8", "replace")
    try:
        code, text = _of_json(json.loads(body))
    except (ValueError, RecursionError):
        code, text = _of_xml_or_text(body)
    found = _ENTRA.search(text)
    if found is not None:
        code = f"{code} {found[0]}".strip()
    return Refusal(answer.status, code, _plain(text))


def _of_json(document: Any) -> tuple[str, str]:
    """OAuth (RFC 6749, 5.2), Google's `{error: {status, message}}`, Anthropic's `{error: {type, message}}`, and agents
    that say `{code, message}`."""
    if not isinstance(document, dict):
        return "", ""
    error = document.get("error", document)
    if isinstance(error, str):
        return _code(error), _text(document.get("error_description"))
    if not isinstance(error, dict):
        return "", ""
    code = error.get("status") or error.get("type") or error.get("code") or error.get("Code")
    return _code(code), _text(error.get("message") or error.get("Message"))


def _of_xml_or_text(body: str) -> tuple[str, str]:
    code, text = _XML_CODE.search(body), _XML_TEXT.search(body)
    if code is None and not body.lstrip().startswith(("<", "{", "[")):
        return "", body
    return _code(code[1]) if code else "", html.unescape(text[1]) if text else ""


def _code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.match(value) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _plain(text: str) -> str:
    """The first line, bounded."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    printable = "".join(each if each.isprintable() else " " for each in first)
    return _LIKE_A_TOKEN.sub(_MASK, printable)[:_TEXT_CHARACTERS].rstrip(" .")
