"""The operator's process, in the order of its start: log, probes, connection, CRDs, Lease, and only then the work."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Coroutine
from typing import Any

from gateway_operator import health, installed, leader, logs
from gateway_operator.assembly import assemble
from gateway_operator.health import Health
from gateway_operator.kube.access import AccessError, connected
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import KubeError
from gateway_operator.leader import Elector, FencedAccess, Guard, LostError, Tenure
from gateway_operator.operation import Operation
from gateway_operator.settings import Settings

log = logging.getLogger(__name__)

FAILED_EXIT = 1
UNUSABLE_EXIT = 2
CRDS_EXIT = 3
"""Besides leader.LOST_EXIT."""
_RETRY_SECONDS = 1.0
_KOPF_SECONDS = 3.0
_REST_SECONDS = 2.0
"""For whatever still runs when all is done."""


def main(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT; the exit code."""
    logs.configure(settings.log_level)
    _settle_memory()
    return asyncio.run(_run_to_the_end(settings))


def _settle_memory() -> None:
    """A reconcile of 1,000 policies makes 150,000 objects and hardly a cycle: looking for cycles every 700 objects, in
    all that was imported too, takes half of the time that reading the policies does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


async def _run_to_the_end(settings: Settings) -> int:
    code = await _run(settings)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others and (deaf := (await asyncio.wait(others, timeout=_REST_SECONDS))[1]):
        # asyncio.run() would wait for them without an end. kopf's watches take a cancellation for a lost connection
        # when their session was closed just before.
        names = ", ".join(sorted(task.get_name() for task in deaf))
        log.warning("ended without waiting for what does not end: %s", names)
        for handler in logging.getLogger().handlers:
            handler.flush()
        os._exit(code)
    return code


async def _run(settings: Settings) -> int:
    state = Health()
    try:
        server, port = await health.serve(state, listen=settings.listen)
    except OSError as error:
        log.critical("cannot listen on %s: %s; choose another with --listen", settings.listen, error.strerror or error)
        return UNUSABLE_EXIT
    log.info("listening on port %d: /livez, /readyz, /metrics", port, extra={"port": port})
    stop = asyncio.Event()
    _install_signal_handlers(stop)
    try:
        client = await connected(kubeconfig=settings.kubeconfig, context=settings.context)
    except AccessError as error:
        log.critical("no access to a Kubernetes API server: %s", error)
        await server.cleanup()
        return UNUSABLE_EXIT
    try:
        return await Process(settings=settings, state=state, client=client, stop=stop).run()
    finally:
        await client.close()
        await server.cleanup()


def _install_signal_handlers(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


class Process:
    """From a connection to the end. `client` is not bound to the Lease; what leads gets clients of its own."""

    def __init__(self, *, settings: Settings, state: Health, client: KubeClient, stop: asyncio.Event) -> None:
        self._settings = settings
        self._state = state
        self._client = client
        self._stop = stop

    async def run(self) -> int:
        self._state.await_stage("crds")
        self._state.reach("start")
        code = await self._unless_stopped(self._wait_for_crds())
        if code is not None:
            return code
        tenure = Tenure()
        guard = Guard(tenure, end=leader.end_process)
        guard.start()
        # its own connections, never queued behind those of the work, and quick to give up
        lease_client = KubeClient(self._client.access, retry_seconds=0, request_seconds=leader.REQUEST_SECONDS)
        try:
            return await self._stand(tenure, lease_client)
        finally:
            guard.stop()
            await lease_client.close()

    async def _stand(self, tenure: Tenure, lease_client: KubeClient) -> int:
        elector = Elector(
            client=lease_client,
            namespace=self._settings.operator_namespace or self._client.namespace,
            name=self._settings.lease_name,
            identity=self._settings.holder,
            tenure=tenure,
        )
        code = await self._unless_stopped(elector.acquire(on_trouble=self._lease_trouble))
        if code is not None:
            return code
        holding = asyncio.create_task(elector.hold(), name="lease")
        self._state.watch_task("lease", holding)
        async with KubeClient(FencedAccess(self._client.access, tenure)) as client:
            return await self._lead(client, elector, holding, tenure)

    def _lease_trouble(self, trouble: str) -> None:
        if trouble:
            self._state.await_stage("lease", f"it can be neither taken nor waited for: {trouble}")
        else:
            self._state.reach("lease")

    async def _lead(self, client: KubeClient, elector: Elector, holding: "asyncio.Task[None]", tenure: Tenure) -> int:
        operation = Operation(
            client=client,
            settings=self._settings,
            health=self._state,
            work=lambda fanout, report: assemble(client=client, settings=self._settings, fanout=fanout, report=report),
            on_signals_lost=lambda: _install_signal_handlers(self._stop),
        )
        working = asyncio.create_task(operation.run(), name="operation")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({working, holding, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            leader.end_process(str(holding.exception()))
        code = 0
        if working.done() and not self._stop.is_set():
            error = asyncio.CancelledError("cancelled") if working.cancelled() else working.exception()
            # A request may notice the loss before the renewal does, and whoever made it may call it by another name
            if isinstance(error, LostError) or not tenure.held:
                leader.end_process(str(error))
            if error is not None:
                log.critical("a vital task failed, this process ends: %s", error, exc_info=error)
                code = FAILED_EXIT
        log.info("ending")
        self._state.await_stage("ending", "the process ends")
        await operation.stop()
        holding.cancel()
        await asyncio.wait({holding})  # a renewal in flight would make the release a conflict
        await elector.release()
        working.cancel()
        await asyncio.wait({working}, timeout=_KOPF_SECONDS)
        log.info("ended")
        return code

    async def _wait_for_crds(self) -> int | None:
        """Returns None once the CRDs fit. An API server that is away is waited for without an end, wrong CRDs for a
        while: an installation may be under way."""
        told: list[str] = []
        until: float | None = None
        while True:
            try:
                problems = await installed.problems(self._client)
            except KubeError as error:
                problems, until = [f"the API server does not say which kinds it has: {error}"], None
            else:
                until = until or time.monotonic() + self._settings.crd_wait
            if not problems:
                self._state.reach("crds")
                return None
            self._state.await_stage("crds", "; ".join(problems))
            if problems != told:
                log.warning("%s", "; ".join(problems))
                told = problems
            if until is not None and time.monotonic() >= until:
                log.critical("waited %g s in vain: %s", self._settings.crd_wait, "; ".join(problems))
                return CRDS_EXIT
            await asyncio.sleep(_RETRY_SECONDS)

    async def _unless_stopped(self, work: Coroutine[Any, Any, int | None]) -> int | None:
        """The result of the work; 0 when a signal came first."""
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return 0
