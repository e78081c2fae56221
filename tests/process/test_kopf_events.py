"""kopf goes on where an API server has forgotten what came last; what it cannot go on from ends it at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.kube.clients import eventually
from tests.kube.fake_server import refusal_body

from gateway_operator import kopf_events
from gateway_operator.compiler import ObjectRef
from gateway_operator.fanout import Fanout, gateway_ref
from gateway_operator.handlers.intake import Intake
from gateway_operator.installed import KINDS
from gateway_operator.kube.connection import Connection, FixedAccess
from gateway_operator.kube.resources import GROUP, NAMESPACES, ResourceKind


def served(kind: ResourceKind) -> dict[str, Any]:
    return {
        "name": kind.plural,
        "kind": kind.kind,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "verbs": ["get", "list", "watch"],
    }


class Server:
    """Has one object of each kind from the second list on, and refuses the first watch of each."""

    def __init__(self, *, status: int, reason: str) -> None:
        self.refusal = refusal_body(status, reason)
        self.lists: Counter[str] = Counter()
        self.watches: Counter[str] = Counter()
        self.closing = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind = {kind.path(): kind for kind in KINDS}.get(request.path)
        if kind is None:
            return web.json_response(self.discovery(request.path))
        if request.query.get("watch"):
            self.watches[kind.kind] += 1
            if self.watches[kind.kind] == 1:
                return web.json_response(self.refusal, status=self.refusal["code"])
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            await self.closing.wait()
            return response
        self.lists[kind.kind] += 1
        metadata = {"namespace": "claude", "name": "corp", "uid": kind.kind, "generation": 1, "resourceVersion": "6"}
        item = {"metadata": metadata, "spec": {"gatewayRefs": [{"name": "corp"}]}}
        return web.json_response(
            {
                "apiVersion": kind.api_version,
                "kind": f"{kind.kind}List",
                "metadata": {"resourceVersion": "7"},
                "items": [item] if self.lists[kind.kind] > 1 else [],
            }
        )

    def discovery(self, path: str) -> dict[str, Any]:
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            version = {"groupVersion": KINDS[0].api_version, "version": KINDS[0].version}
            return {
                "kind": "APIGroupList",
                "groups": [{"name": GROUP, "versions": [version], "preferredVersion": version}],
            }
        kinds = KINDS if path == KINDS[0].group_path else (NAMESPACES,)
        return {"kind": "APIResourceList", "resources": [served(kind) for kind in kinds]}


@asynccontextmanager
async def kopf_before(server: Server) -> AsyncIterator[tuple[asyncio.Task[None], set[ObjectRef]]]:
    """kopf, and the gateways that it has told of."""
    touched: set[ObjectRef] = set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app, shutdown_timeout=0) as http:
        running = asyncio.create_task(
            kopf_events.run(
                access=FixedAccess(fixed=Connection(server=f"http://127.0.0.1:{http.port}")),
                intake=Intake(fanout=Fanout(), touch=touched.add, touch_children=touched.add),
                namespaces=(),
                on_started=lambda: None,
            )
        )
        try:
            yield running, touched
        finally:
            server.closing.set()
            running.cancel()
            await asyncio.wait({running})


async def test_a_watch_that_is_refused_as_too_old_leads_to_a_new_list_and_ends_nothing() -> None:
    server = Server(status=410, reason="Expired")
    async with kopf_before(server) as (running, touched):
        await eventually(lambda: touched == {gateway_ref("claude", "corp")}, what="kopf told of the objects")
        await eventually(lambda: min(server.watches.values()) == 2, what="kopf watches again")
        assert not running.done()


async def test_what_kopf_cannot_go_on_from_ends_it_and_nothing_else_of_ours() -> None:
    async with kopf_before(Server(status=400, reason="BadRequest")) as (running, _):
        ours = asyncio.create_task(asyncio.Event().wait())
        await eventually(running.done, what="kopf ended")
        assert "made up: BadRequest" in str(running.exception())
        assert not ours.cancelling()
        ours.cancel()
