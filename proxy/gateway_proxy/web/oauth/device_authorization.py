"""`POST /oauth/device_authorization`: a client begins a sign-in (RFC 8628, section 3.1)."""

from typing import Final

import orjson

from gateway_proxy.identity.sessions import codes
from gateway_proxy.store import SignIn, UserCodeTakenError
from gateway_proxy.web import refusals
from gateway_proxy.web.oauth.endpoint import Visit
from gateway_proxy.web.oauth.errors import HEADERS
from gateway_proxy.web.responses import Response

SIGN_IN_SECONDS: Final = 600
POLL_SECONDS: Final = 5
MAX_SURFACE_CHARACTERS: Final = 64
_ATTEMPTS: Final = 5
"""At making up a code that nobody has: with a million sign-ins pending, one in 25,000 is taken."""


async def begin(visit: Visit) -> Response:
    """Raises GatewayError (429, 503), StoreUnavailableError."""
    visit.limits.admit_sign_in(visit.request.client, visit.live.configuration.clients)
    surface = "".join(each for each in visit.fields.get("surface", "") if each.isprintable())[:MAX_SURFACE_CHARACTERS]
    device_code = codes.new_device_code()
    sign_in = await _created(visit, device_code, surface)
    visit.services.sign_in_metrics.began()
    visit.tell("device.authorize", sign_in=sign_in.id, surface=surface or None)
    page = f"{visit.public_url}/device"
    body = {
        "device_code": device_code,
        "user_code": sign_in.user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={sign_in.user_code}",
        "expires_in": SIGN_IN_SECONDS,
        "interval": POLL_SECONDS,
    }
    if notice := visit.live.configuration.session.login_notice:
        body["login_notice"] = notice
    return Response(200, orjson.dumps(body), HEADERS)


async def _created(visit: Visit, device_code: str, surface: str) -> SignIn:
    for _ in range(_ATTEMPTS):
        sign_in = SignIn(
            id=codes.new_id("sig"),
            device_code_sha256=codes.digest(device_code),
            user_code=codes.new_user_code(),
            surface=surface,
            address=visit.request.client,
            expires_at=visit.now + SIGN_IN_SECONDS,
        )
        try:
            await visit.store.sign_ins.create(sign_in)
        except UserCodeTakenError:
            continue
        return sign_in
    raise refusals.sign_in_not_ready()
