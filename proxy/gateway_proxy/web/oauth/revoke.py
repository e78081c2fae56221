"""`POST /oauth/revoke`: a client signs out (RFC 7009)."""

from gateway_proxy.identity.sessions import codes
from gateway_proxy.web.oauth import errors as oauth
from gateway_proxy.web.oauth.endpoint import Visit
from gateway_proxy.web.responses import Response


async def sign_out(visit: Visit) -> Response:
    """Ends the whole session, whichever of its tokens comes, also one that is out of date. What is no token of ours is
    no error. Raises GatewayError (400, 429), StoreUnavailableError: a session that lives on is not called ended."""
    token = visit.fields.get("token")
    if not token:
        raise oauth.missing_field("token")
    session_id = visit.live.session_tokens.session_of(token)
    if session_id is None:
        visit.limits.sign_outs.admit(visit.request.client)
        found = await visit.store.sessions.by_refresh(codes.digest(token), visit.now)
        if found is None:
            visit.limits.sign_outs.count(visit.request.client)
        session_id = found.record.id if found is not None else None
    if session_id is not None and await visit.store.sessions.revoke(session_id, visit.now, "SignedOut"):
        visit.services.revocation_feed.ended(session_id, visit.now)
        visit.services.sign_in_metrics.revoked(1)
        visit.tell("session.revoke", session=session_id, reason="SignedOut")
    return Response(200, b"", {"cache-control": "no-store"})
