"""`POST /oauth/token`: sessions begin and go on (RFC 8628, section 3.4; RFC 6749, section 6)."""

import logging
from typing import NoReturn

import orjson

from gateway_proxy.identity.sessions import codes
from gateway_proxy.identity.sessions.issuing import Issued, issue, issued_before
from gateway_proxy.identity.sessions.renewing import Renewal, RenewalRefusedError, RenewalUnavailableError
from gateway_proxy.web import refusals
from gateway_proxy.web.oauth import errors as oauth
from gateway_proxy.web.oauth.device_authorization import POLL_SECONDS
from gateway_proxy.web.oauth.discovery import DEVICE_GRANT
from gateway_proxy.web.oauth.endpoint import Visit
from gateway_proxy.web.responses import Response

log = logging.getLogger(__name__)


async def give(visit: Visit) -> Response:
    """Raises GatewayError (400, 401, 429, 503), StoreUnavailableError, NoSigningKeyError."""
    grant = visit.fields.get("grant_type")
    if grant == DEVICE_GRANT:
        code = visit.fields.get("device_code")
        if not code:
            raise oauth.missing_field("device_code")
        return await visit.finished(lambda: _for_code(visit, code), of=code)
    if grant == "refresh_token":
        token = visit.fields.get("refresh_token")
        if not token:
            raise oauth.missing_field("refresh_token")
        return await visit.finished(lambda: _for_refresh_token(visit, token), of=token)
    raise oauth.missing_field("grant_type") if not grant else oauth.unsupported_grant_type()


async def _for_code(visit: Visit, code: str) -> Response:
    visit.limits.tokens.admit(visit.request.client)
    poll = await visit.store.sign_ins.poll(codes.digest(code), visit.now, POLL_SECONDS)
    match poll.state:
        case "Pending":
            raise oauth.not_yet()
        case "SlowDown":
            raise oauth.slow_down(poll.interval)
        case "Denied":
            raise oauth.sign_in_denied()
        case "Expired":
            raise oauth.sign_in_expired()
    if poll.state == "Approved":
        issued = await issue(code, live=visit.live, store=visit.store, now=visit.now)
        if issued is not None:
            return _begun(visit, issued)
    issued = None
    if poll.state != "Unknown":
        issued = await issued_before(code, live=visit.live, store=visit.store, now=visit.now)
    if issued is None:
        visit.limits.tokens.count(visit.request.client)
        raise oauth.invalid_grant("this device code is not known, or was used: start again", reason="DeviceCodeUnknown")
    _tell(visit, "session.mint", issued, outcome="Repeated")
    return _tokens(issued)


def _begun(visit: Visit, issued: Issued) -> Response:
    visit.services.sign_in_metrics.ended("Completed")
    _tell(visit, "session.mint", issued)
    if issued.refresh_token is None:
        log.warning(
            "%s gave no refresh token: the session ends with its first token, and people sign in again and again",
            issued.person.provider,
            extra={"event": "session.not_renewable", "provider": issued.person.provider},
        )
    return _tokens(issued)


async def _for_refresh_token(visit: Visit, token: str) -> Response:
    metrics = visit.services.sign_in_metrics
    visit.limits.tokens.admit(visit.request.client)
    try:
        renewed = await Renewal(token, live=visit.live, store=visit.store).run()
    except RenewalRefusedError as error:
        _refuse(visit, error)
    except RenewalUnavailableError:
        metrics.renewed("Unavailable")
        raise refusals.renewal_unavailable() from None
    metrics.renewed(renewed.outcome)
    _tell(visit, "session.refresh", renewed.issued, outcome=renewed.outcome)
    return _tokens(renewed.issued)


def _refuse(visit: Visit, error: RenewalRefusedError) -> NoReturn:
    metrics = visit.services.sign_in_metrics
    metrics.renewed(error.reason)
    session = error.session
    if session is None:
        visit.limits.tokens.count(visit.request.client)
    else:
        person = session.person
        visit.tell(
            "session.refresh",
            outcome="Refused",
            reason=error.reason,
            session=session.id,
            sub=person.user,
            email=person.email,
            provider=person.provider,
        )
        if error.ended:
            visit.services.revocation_feed.ended(session.id, visit.now)
            metrics.revoked(1)
            visit.tell("session.revoke", session=session.id, sub=person.user, reason=error.reason)
    if error.detail:
        log.warning(
            "a session was not renewed: %s", error.detail, extra={"event": "session.refused", "reason": error.reason}
        )
    raise oauth.invalid_grant(
        f"{error.sentence}: sign in again (/login in Claude Code)", reason=error.reason, status=401
    )


def _tokens(issued: Issued) -> Response:
    body = {"access_token": issued.access_token, "token_type": "Bearer", "expires_in": issued.expires_in}
    if issued.refresh_token is not None:
        body["refresh_token"] = issued.refresh_token
    if issued.person.email is not None:
        body["email"] = issued.person.email
    return Response(200, orjson.dumps(body), oauth.HEADERS)


def _tell(visit: Visit, event: str, issued: Issued, *, outcome: str | None = None) -> None:
    person = issued.person
    visit.tell(
        event,
        outcome=outcome,
        session=issued.session_id,
        sub=person.user,
        email=person.email,
        provider=person.provider,
    )
