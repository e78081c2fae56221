"""`/v1/organizations/sessions`: who is signed in, and ending that."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from gateway_proxy import errors
from gateway_proxy.store import SessionRecord, StoreUnavailableError
from gateway_proxy.web.admin.callers import Admin, admin_of
from gateway_proxy.web.oauth.endpoint import Visit
from gateway_proxy.web.responses import Response

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
MAX_BODY_BYTES: Final = 16 * 1024
_JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}


async def listed(visit: Visit) -> Response:
    """`GET`, by `user` (an id or an address), `limit` and `after_id`; the newest first, those that have ended too."""
    await admin_of(visit.live, visit.request.headers)
    limit = _limit(visit.fields.get("limit"))
    rows = await visit.store.sessions.page(
        after=visit.fields.get("after_id") or None, limit=limit + 1, user=visit.fields.get("user") or None
    )
    data = [_described(record) for record in rows[:limit]]
    body = {"data": data, "has_more": len(rows) > limit, "last_id": data[-1]["id"] if data else None}
    return Response(200, orjson.dumps(body), {**_JSON, "request-id": visit.request.request_id})


async def revoked(visit: Visit) -> Response:
    """`POST {"user": …}`, `{"id": …}` or `{"all": true}`: every pod refuses these sessions within two seconds."""
    admin = await admin_of(visit.live, visit.request.headers)
    name, value = await _target(visit)
    sessions = visit.store.sessions
    if name == "id":
        number = int(await sessions.revoke(value, visit.now, "AdminRevoked"))
    elif name == "user":
        number = await sessions.revoke_user(value, visit.now)
    else:
        number = await sessions.revoke_all(visit.now)
    with suppress(StoreUnavailableError):
        await visit.services.revocation_feed.look()
    visit.services.sign_in_metrics.revoked(number)
    _tell(visit, admin, name, value, number)
    return Response(200, orjson.dumps({"revoked": number}), {**_JSON, "request-id": visit.request.request_id})


async def _target(visit: Visit) -> tuple[str, str]:
    """Raises GatewayError (400, 413, 415)."""
    body = await visit.body(MAX_BODY_BYTES)
    try:
        wanted: Any = orjson.loads(body)
    except ValueError:
        wanted = None
    if isinstance(wanted, dict) and len(wanted) == 1:
        ((name, value),) = wanted.items()
        if name == "all" and value is True:
            return name, ""
        if name in ("user", "id") and isinstance(value, str) and value:
            return name, value
    raise errors.invalid_request('the body must be {"user": "…"}, {"id": "…"} or {"all": true}', reason="InvalidTarget")


def _tell(visit: Visit, admin: Admin, name: str, value: str, number: int) -> None:
    # The admin is `by`: `sub` is whose session it is, in every line.
    by = admin.audit_fields.get("holder") or admin.audit_fields.get("sub")
    visit.tell(
        "session.revoke",
        reason="AdminRevoked",
        by=by,
        by_auth=admin.audit_fields.get("auth"),
        target=name,
        session=value if name == "id" else None,
        sub=value if name == "user" else None,
        revoked=number,
    )


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise errors.invalid_request("limit must be a number from 1 on", reason="InvalidLimit")
    return min(int(text), MAX_LIMIT)


def _described(record: SessionRecord) -> dict[str, Any]:
    person = record.person
    return {
        "id": record.id,
        "user": person.user,
        "email": person.email,
        "groups": person.groups,
        "provider": person.provider,
        "created_at": _moment(record.created_at),
        "last_used_at": _moment(record.last_used_at),
        "expires_at": _moment(record.expires_at),
        "revoked_at": _moment(record.revoked_at),
        "revoked_reason": record.revoked_reason,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
