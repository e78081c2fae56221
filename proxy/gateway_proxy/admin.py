"""The two ports beside the service: metrics for Prometheus, status for the operator."""

import hmac
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway_config.contract import CONTRACT_VERSION
from gateway_proxy.services import Services
from gateway_proxy.version import VERSION

log = logging.getLogger(__name__)

_JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}


def status_document(services: Services) -> dict[str, Any]:
    """What this process serves, and what is wrong with the newest configuration, if anything is."""
    holder = services.holder
    current, error = holder.current, holder.last_error
    return {
        "version": VERSION,
        "started_at": _timestamp(services.started_at),
        "contract": CONTRACT_VERSION,
        "revision": current.revision if current is not None else None,
        "sequence": current.sequence if current is not None else None,
        "loaded_at": _timestamp(holder.loaded_at),
        "last_error": (
            {"reason": error.reason, "message": error.message, "at": _timestamp(error.at)}
            if error is not None
            else None
        ),
        "ready": services.ready,
        "draining": services.drain.draining,
        "open_streams": services.drain.open_streams,
    }


def metrics_application(services: Services) -> web.Application:
    """`GET /metrics`, open to whom the network lets in."""

    async def metrics(_: web.Request) -> web.Response:
        body = generate_latest(services.metrics.registry)
        return web.Response(body=body, headers={"content-type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    return application


def admin_application(services: Services, token_file: Path | None) -> web.Application:
    """`GET /status`. With a token file, only for who presents its content as a bearer token; the file is read each
    time, because a mounted Secret changes under a running process."""

    async def status(request: web.Request) -> web.Response:
        if token_file is not None and not _authorized(request, token_file):
            body = orjson.dumps({"error": "this port asks for the operator's bearer token"})
            return web.Response(status=401, body=body, headers={**_JSON, "www-authenticate": "Bearer"})
        return web.Response(body=orjson.dumps(status_document(services)), headers=_JSON)

    application = web.Application()
    application.router.add_get("/status", status)
    return application


def _authorized(request: web.Request, token_file: Path) -> bool:
    try:
        wanted = token_file.read_bytes().strip()
    except OSError as error:
        log.warning("the admin token cannot be read: %s", error, extra={"event": "admin.token_unreadable"})
        return False
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    matches = hmac.compare_digest(presented.strip().encode("utf-8", "surrogatepass"), wanted)
    return bool(wanted) and scheme.lower() == "bearer" and matches


def _timestamp(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
