"""`/device`: a person compares the code and goes on to the identity provider, or denies.

A code in the address is only shown; nothing happens before somebody presses a button, and only on a page of ours: the
browser says from which page a form comes.
"""

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway_proxy.identity.oidc.failures import ProviderUnavailableError
from gateway_proxy.identity.sessions import browser_trip, codes
from gateway_proxy.store import SignIn
from gateway_proxy.web import pages, refusals
from gateway_proxy.web.oauth.endpoint import Visit
from gateway_proxy.web.responses import Response

if TYPE_CHECKING:
    from gateway_proxy.identity.oidc.client import IdentityProviderClient

UNKNOWN_CODE: Final = "No sign-in waits under this code. Compare it with your terminal; codes are good for ten minutes."


async def show(visit: Visit) -> Response:
    typed = visit.fields.get("user_code", "")
    return pages.verification(
        codes.user_code_as_typed(typed) or typed,
        providers=tuple(visit.live.identity_providers),
        form_action=await _origins(visit),
    )


async def go_on(visit: Visit) -> Response:
    """Raises GatewayError (403, 429), StoreUnavailableError, ProviderUnavailableError."""
    sign_in = await _submitted(visit)
    if isinstance(sign_in, Response):
        return sign_in
    providers = visit.live.identity_providers
    chosen = visit.fields.get("provider")
    provider = providers.get(chosen) if chosen is not None else next(iter(providers.values()))
    if provider is None or (chosen is None and len(providers) > 1):
        return pages.choose(sign_in.user_code, tuple(providers), form_action=await _origins(visit))
    return await _sent(visit, sign_in, provider)


async def deny(visit: Visit) -> Response:
    """Raises GatewayError (403, 429), StoreUnavailableError."""
    sign_in = await _submitted(visit)
    if isinstance(sign_in, Response):
        return sign_in
    await visit.store.sign_ins.deny(sign_in.id, visit.now)
    visit.services.sign_in_metrics.ended("Denied")
    visit.tell("device.verify", sign_in=sign_in.id, outcome="denied")
    return pages.denied()


async def _submitted(visit: Visit) -> SignIn | Response:
    """The sign-in of the code that was sent, or what to show in its place."""
    if visit.request.headers.get("Origin") != visit.public_url:
        raise refusals.origin_refused(visit.public_url)
    visit.limits.admit_code(visit.request.client, visit.live.configuration.clients)
    typed = visit.fields.get("user_code", "")
    code = codes.user_code_as_typed(typed)
    sign_in = await visit.store.sign_ins.pending(code, visit.now) if code is not None else None
    if sign_in is not None:
        return sign_in
    _tell_unknown(visit)
    return pages.verification(
        code or typed,
        error=UNKNOWN_CODE,
        providers=tuple(visit.live.identity_providers),
        form_action=await _origins(visit),
    )


def _tell_unknown(visit: Visit) -> None:
    visit.services.metrics.refused("UserCodeUnknown")
    visit.tell("device.verify", outcome="unknown_code")


async def _sent(visit: Visit, sign_in: SignIn, provider: "IdentityProviderClient") -> Response:
    """To the identity provider."""
    trip, cookie = browser_trip.new_trip(sign_in.id, provider.name, now=visit.now)
    state = trip.sealed(visit.live.signing_keys)
    try:
        url = await provider.authorization_url(
            redirect_uri=redirect_uri(visit), state=state, nonce=trip.nonce, code_challenge=trip.code_challenge
        )
    except ProviderUnavailableError as error:
        visit.tell("device.verify", sign_in=sign_in.id, outcome="failed", provider=provider.name, reason=error.reason)
        raise
    if not await visit.store.sign_ins.begin(sign_in.id, browser_trip.state_hash(state), visit.now):
        _tell_unknown(visit)
        return pages.verification(sign_in.user_code, error=UNKNOWN_CODE, form_action=await _origins(visit))
    visit.tell("device.verify", sign_in=sign_in.id, outcome="redirected", provider=provider.name)
    secure = is_secure(visit)
    name = browser_trip.cookie_name(sign_in.id, secure=secure)
    attributes = f"Path=/; Max-Age={browser_trip.TRIP_SECONDS}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return Response(
        302,
        b"",
        {
            "location": url,
            "set-cookie": f"{name}={cookie}; {attributes}",
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
        },
    )


def redirect_uri(visit: Visit) -> str:
    return f"{visit.public_url}/oauth/callback"


def is_secure(visit: Visit) -> bool:
    return urlsplit(visit.public_url).scheme == "https"


async def _origins(visit: Visit) -> tuple[str, ...]:
    """Where a form of these pages may lead. A provider that is away is left out: it cannot be gone to either."""
    providers = visit.live.identity_providers.values()
    asked = (provider.authorization_origins() for provider in providers)
    found: dict[str, None] = {}
    for origins in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(origins, tuple):
            found.update(dict.fromkeys(origins))
        elif not isinstance(origins, ProviderUnavailableError):
            raise origins
    return tuple(found)
