"""Form bodies and queries of the sign-in paths, and what they may hold."""

from typing import Final
from urllib.parse import parse_qsl

from gateway_proxy.client_request import ClientRequest
from gateway_proxy.inference.intake import Intake
from gateway_proxy.web import refusals

MAX_FORM_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 64
_FORM: Final = "application/x-www-form-urlencoded"


async def read(request: ClientRequest, intake: Intake, *, max_held: int) -> dict[str, str]:
    """The fields of a form body. Raises GatewayError: 400, 408, 413 above 64 KiB, 415, 429."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise refusals.not_a_form()
    body = await intake.read(request, max_bytes=MAX_FORM_BYTES, max_held=max_held)
    return fields(body.decode("utf-8", "replace"))


def fields(text: str) -> dict[str, str]:
    """Each may stand once (RFC 6749, section 3.1); unknown ones are welcome. Raises GatewayError (400)."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise refusals.malformed_form(f"the form holds more than {MAX_FIELDS} fields") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise refusals.malformed_form("the form holds a field twice")
        found[name] = value
    return found
