"""/livez, /readyz and /metrics: up before anything else, so that a start that hangs can be seen."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway_operator import metrics
from gateway_operator.local.addresses import Address

WAITING: Final = "waiting"


class Health:
    """What the probes say.

    Alive: no task without which the process is no use has ended. A stuck event loop answers no probe at all.
    Ready: connected, the CRDs fit, and either on standby or leading with everything listed. A standby is ready.
    """

    def __init__(self) -> None:
        self._vital: dict[str, asyncio.Task[None]] = {}
        self._awaited: dict[str, str] = {"start": "not begun"}

    def watch_task(self, name: str, task: "asyncio.Task[None]") -> None:
        """From now on the process is alive only while this task runs."""
        self._vital[name] = task

    def await_stage(self, stage: str, reason: str = WAITING) -> None:
        """Not ready for this reason, until `reach`."""
        self._awaited[stage] = reason

    def reach(self, stage: str) -> None:
        self._awaited.pop(stage, None)

    @property
    def dead(self) -> Mapping[str, str]:
        """Vital tasks that have ended, and how. Empty: alive."""
        return {name: _ending(task) for name, task in self._vital.items() if task.done()}

    @property
    def missing(self) -> Mapping[str, str]:
        """What readiness waits for, and why. Empty: ready."""
        return self._awaited


def _ending(task: "asyncio.Task[None]") -> str:
    if task.cancelled():
        return "was cancelled"
    error = task.exception()
    return f"ended with {type(error).__name__}: {error}" if error else "ended"


_HEALTH: Final = web.AppKey("health", Health)


async def _livez(request: web.Request) -> web.Response:
    return _verdict(request.app[_HEALTH].dead)


async def _readyz(request: web.Request) -> web.Response:
    health = request.app[_HEALTH]
    return _verdict({**health.dead, **health.missing})


def _verdict(failing: Mapping[str, str]) -> web.Response:
    text = "".join(f"{name}: {reason}\n" for name, reason in failing.items())
    return web.Response(text=text or "ok\n", status=503 if failing else 200)


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def serve(health: Health, *, listen: Address) -> tuple[web.AppRunner, int]:
    """Listens, and returns what is to be cleaned up at the end, and the port. Raises `OSError`."""
    app = web.Application()
    app[_HEALTH] = health
    app.add_routes([web.get("/livez", _livez), web.get("/readyz", _readyz), web.get("/metrics", _metrics)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, listen.host, listen.port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]
