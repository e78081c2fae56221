"""`GET /oauth/callback`: the browser comes back from the identity provider."""

import logging
from typing import TYPE_CHECKING, Final

from gateway_proxy import errors
from gateway_proxy.identity.oidc.claims import one_line
from gateway_proxy.identity.oidc.failures import ProviderUnavailableError, SignInRefusedError
from gateway_proxy.identity.sessions import browser_trip, provider_tokens
from gateway_proxy.identity.sessions.browser_trip import Trip
from gateway_proxy.web import pages, refusals
from gateway_proxy.web.oauth.device_page import is_secure, redirect_uri
from gateway_proxy.web.oauth.endpoint import Visit
from gateway_proxy.web.responses import Response

if TYPE_CHECKING:
    from gateway_proxy.identity.oidc.client import IdentityProviderClient, SignedIn

log = logging.getLogger(__name__)

_CODE_USED: Final = "SignInCodeRefused"
"""A page that was loaded twice: the other load of it may be about to succeed."""
_DENIED: Final = "access_denied"
_PASSING: Final = frozenset({"server_error", "temporarily_unavailable"})


async def arrive(visit: Visit) -> Response:
    """Raises GatewayError (400, 405, 429), StoreUnavailableError, IdentityProviderError."""
    fields = visit.fields
    if visit.request.method != "GET":  # whoever asks for the head alone must not use up the code
        raise errors.method_not_allowed(("GET",))
    state = fields.get("state", "")
    trip = browser_trip.trip_of(state, visit.live.signing_keys, now=visit.now)
    provider = visit.live.identity_providers.get(trip.provider) if trip is not None else None
    if trip is None or provider is None:
        raise _refused(visit, None, "StateInvalid")
    if not trip.is_of(_cookie(visit, trip)):
        raise _refused(visit, trip, "OtherBrowser")
    visit.limits.admit_callback(visit.request.client, visit.live.configuration.clients)
    if "error" in fields or not fields.get("code"):
        return await _failed(visit, trip)
    return await visit.finished(lambda: _exchanged(visit, trip, provider, state), of=state)


async def _exchanged(visit: Visit, trip: Trip, provider: "IdentityProviderClient", state: str) -> Response:
    """The provider is asked last: for nothing that is over already, and not at a browser's pleasure."""
    fields, callback_hash = visit.fields, browser_trip.state_hash(state)
    if not await visit.store.sign_ins.awaits(trip.sign_in_id, callback_hash, visit.now):
        raise _refused(visit, trip, "SignInOver")
    try:
        signed_in = await provider.exchange(
            code=fields["code"],
            redirect_uri=redirect_uri(visit),
            code_verifier=trip.code_verifier,
            nonce=trip.nonce,
            issuer=fields.get("iss"),
        )
    except SignInRefusedError as error:
        visit.services.sign_in_metrics.ended("Refused")
        _tell(visit, trip, "refused", reason=error.reason)
        if error.reason != _CODE_USED:
            await visit.store.sign_ins.deny(trip.sign_in_id, visit.now)
        raise
    except ProviderUnavailableError as error:
        _tell(visit, trip, "failed", reason=error.reason)
        raise
    return await _approved(visit, trip, signed_in, callback_hash)


async def _approved(visit: Visit, trip: Trip, signed_in: "SignedIn", callback_hash: bytes) -> Response:
    person = signed_in.person
    sealed = provider_tokens.sealed_for_sign_in(signed_in.refresh_token, person, visit.live.signing_keys)
    if not await visit.store.sign_ins.approve(trip.sign_in_id, callback_hash, person, sealed, visit.now):
        raise _refused(visit, trip, "SignInOver")
    visit.services.sign_in_metrics.ended("Approved")
    _tell(visit, trip, "approved", sub=person.user, email=person.email)
    return _without_cookie(visit, trip, pages.done(person.email or person.user))


async def _failed(visit: Visit, trip: Trip) -> Response:
    """The provider sent the browser back without a code."""
    said = visit.fields.get("error", "")
    passing = said in _PASSING
    reason = "ProviderDenied" if said == _DENIED else "ProviderFailed" if passing else "ProviderRefused"
    visit.services.metrics.refused(reason)
    code = one_line(said, most=100)
    _tell(visit, trip, "failed", reason=reason, error=code or None)
    log.warning(
        "%s sent a person back without a code: %s: %s",
        trip.provider,
        code or "no error named",
        one_line(visit.fields.get("error_description", "")) or "no description",
        extra={"event": "sign_in.failed", "reason": reason, "request_id": visit.request.request_id},
    )
    if said == _DENIED:
        await visit.store.sign_ins.deny(trip.sign_in_id, visit.now)
        visit.services.sign_in_metrics.ended("Denied")
        return _without_cookie(visit, trip, pages.denied())
    sentence = (
        "Your identity provider is not available just now. Enter your code again in a minute."
        if passing
        else "Your identity provider did not sign you in. Enter your code again; if that does not help, ask your "
        "gateway's administrator."
    )
    return pages.error(
        "You are not signed in", sentence, status=503 if passing else 403, reference=visit.request.request_id
    )


def _refused(visit: Visit, trip: Trip | None, reason: str) -> errors.GatewayError:
    _tell(visit, trip, "refused", reason=reason)
    error = refusals.callback_refused(reason)
    log.info(
        "a browser that came back was turned away: %s",
        error.message,
        extra={"event": "sign_in.refused", "reason": reason, "request_id": visit.request.request_id},
    )
    return error


def _tell(visit: Visit, trip: Trip | None, outcome: str, **members: str | None) -> None:
    known = {"sign_in": trip.sign_in_id, "provider": trip.provider} if trip is not None else {}
    visit.tell("device.callback", outcome=outcome, **known, **members)


def _cookie(visit: Visit, trip: Trip) -> str | None:
    wanted = browser_trip.cookie_name(trip.sign_in_id, secure=is_secure(visit))
    for header in visit.request.headers.getall("Cookie", ()):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == wanted:
                return value
    return None


def _without_cookie(visit: Visit, trip: Trip, response: Response) -> Response:
    secure = is_secure(visit)
    name = browser_trip.cookie_name(trip.sign_in_id, secure=secure)
    gone = f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return Response(response.status, response.body, {**response.headers, "set-cookie": gone})
