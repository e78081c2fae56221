"""`claude-gateway up`: one gateway out of a directory of manifests, in the foreground, without a cluster."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from gateway_operator.local import addresses, gateway_process, overrides, reports, state
from gateway_operator.local.addresses import Address
from gateway_operator.local.building import Build, Builder, RejectedError, UnlocatedFinding
from gateway_operator.local.gateway_process import GatewayProcess
from gateway_operator.local.manifests import SUFFIXES, Problem
from gateway_operator.local.overrides import DemoTarget
from gateway_operator.local.state import State
from gateway_operator.local.terminal import Terminal
from gateway_operator.local.watching import Changes, watched

STATE_DIRECTORY = ".state"
READY_SECONDS = 30.0
ENFORCED_SECONDS = 10.0
POLL_SECONDS = 0.02
SHOWN_AT_ONCE = 10
"""Findings of one load; a thousand policies with the same warning would bury everything else."""
SIGNAL_ARRIVES_SECONDS = 0.3
"""A terminal sends Ctrl-C to the proxy as well; after this long it has not, and `up` passes it on."""
DRAIN_SECONDS = 12.0
"""The proxy's five seconds for open streams, the end of their connections, and a margin; then it is killed."""


class Exit(IntEnum):
    STOPPED = 0
    FAILED = 1
    UNUSABLE_MANIFESTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As on the command line."""

    directory: Path
    listen: str = "127.0.0.1:8080"
    state: Path | None = None
    gateway: str | None = None
    public_url: str | None = None
    secret_env: Sequence[str] = ()
    demo: bool = False
    begun: float = field(default_factory=time.monotonic)
    """When the program was started; what `ready in` counts from."""


class _EndedError(Exception):
    """The run is over; the message, if any, says why."""

    def __init__(self, code: Exit, message: str = "") -> None:
        super().__init__(message)
        self.code = code


def run(options: Options) -> int:
    """Runs until a signal or a failure; returns the exit code."""
    terminal = Terminal()
    try:
        asyncio.run(_Run(options, terminal).run())
    except _EndedError as end:
        if str(end):
            terminal.error(str(end))
        return end.code
    except (overrides.OptionError, addresses.AddressError, state.StateError) as error:
        terminal.error(str(error))
        return Exit.FAILED
    except RejectedError as error:
        for problem in error.problems:
            terminal.error(str(problem))
        return Exit.UNUSABLE_MANIFESTS
    finally:
        terminal.close()
    return Exit.STOPPED


class _Run:
    def __init__(self, options: Options, terminal: Terminal) -> None:
        self._options = options
        self._terminal = terminal
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._sequence = 0
        self._revision = ""
        self._rejected = False
        self._shown: frozenset[UnlocatedFinding] = frozenset()
        self._noted: frozenset[Problem] = frozenset()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        options = self._options
        secret_values = [overrides.secret_value(option) for option in options.secret_env]
        async with contextlib.AsyncExitStack() as stack:
            demo = None
            if options.demo:
                # Its HTTP server is a sixth of a second of imports that a real run does not need.
                from gateway_operator.local.demo_upstream import DemoUpstream

                demo = await stack.enter_async_context(DemoUpstream().serving())
            wanted = addresses.parse(options.listen)
            public_url = None if options.public_url is None else addresses.public_url(options.public_url)
            builder = Builder(
                directory=options.directory,
                gateway_name=options.gateway,
                public_url="",
                secret_values=secret_values,
                demo=DemoTarget(demo.url, demo.credential) if demo else None,
            )
            builder.public_url = public_url or wanted.url
            changes = await stack.enter_async_context(self._watched(builder))
            build = await self._first_build(builder)
            kept = stack.enter_context(state.opened(options.state or options.directory / STATE_DIRECTORY))
            listen = addresses.free(wanted, option="--listen")
            if listen != wanted and public_url is None:
                builder.public_url = listen.url
                build = await asyncio.to_thread(builder.build)
            self._write(build, kept)
            if demo is not None:
                demo.models = reports.upstream_models(build)
            gateway = await stack.enter_async_context(self._proxy(kept, listen))
            await self._until_ready(gateway)
            reports.started(
                self._terminal,
                build,
                directory=options.directory,
                listen=listen,
                demo=options.demo,
                ports=gateway,
                seconds=time.monotonic() - options.begun,
            )
            await self._serve(gateway, builder, kept, demo, changes)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._stop_now.set()
        self._stop.set()

    async def _first_build(self, builder: Builder) -> Build:
        build = await asyncio.to_thread(builder.build)
        if not build.configuration.upstreams:
            nothing = f"no usable ProviderBinding refers to the gateway {build.gateway.namespace}/{build.gateway.name}"
            problems = [build.problem(error) for error in build.errors]
            raise RejectedError(problems or [Problem(str(self._options.directory), 0, "", nothing)])
        self._show_findings(build)
        return build

    def _watched(self, builder: Builder) -> contextlib.AbstractAsyncContextManager[Changes]:
        return watched(self._options.directory, suffixes=SUFFIXES, signature=builder.reader.signature)

    def _proxy(self, kept: State, listen: Address) -> contextlib.AbstractAsyncContextManager[GatewayProcess]:
        return gateway_process.running(
            config=kept.bundle,
            state_directory=kept.directory,
            listen=listen,
            token_file=kept.admin_token_file,
            token=kept.admin_token,
            on_log=self._terminal.log,
            on_audit=self._terminal.audit if self._terminal.renders_audit else None,
        )

    async def _until_ready(self, gateway: GatewayProcess) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._stop.is_set():
                raise _EndedError(Exit.STOPPED)
            self._check_alive(gateway)
            if await self._enforced(gateway):
                return
            await asyncio.sleep(POLL_SECONDS)
        raise _EndedError(Exit.FAILED, f"the proxy was not ready within {READY_SECONDS:.0f} s")

    def _check_alive(self, gateway: GatewayProcess) -> None:
        if gateway.ended.done():
            lines = [line for line in gateway.last_lines if line.strip()]
            last = f"; it said last: {reports.plain_log(lines[-1])}" if lines else ""
            raise _EndedError(Exit.FAILED, f"the proxy ended with exit code {gateway.ended.result()}{last}")

    async def _enforced(self, gateway: GatewayProcess) -> bool:
        status = await gateway.status()
        return status is not None and int(status.get("sequence") or 0) >= self._sequence

    async def _serve(
        self,
        gateway: GatewayProcess,
        builder: Builder,
        kept: State,
        demo: reports.KnowsModels | None,
        changes: Changes,
    ) -> None:
        stop = asyncio.create_task(self._stop.wait())
        reload = asyncio.create_task(self._reload_forever(gateway, builder, kept, demo, changes))
        try:
            ends: set[asyncio.Future[Any]] = {stop, reload, gateway.ended}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if reload.done():
                reload.result()
            if not stop.done():
                self._check_alive(gateway)
            await self._end(gateway)
        finally:
            stop.cancel()
            reload.cancel()
            await asyncio.gather(stop, reload, return_exceptions=True)

    async def _reload_forever(
        self,
        gateway: GatewayProcess,
        builder: Builder,
        kept: State,
        demo: reports.KnowsModels | None,
        changes: Changes,
    ) -> None:
        while True:
            await changes.wait()
            begun = time.monotonic()
            try:
                build = await asyncio.to_thread(builder.build)
                if demo is not None:
                    demo.models = {*demo.models, *reports.upstream_models(build)}
                changed = await asyncio.to_thread(self._write, build, kept)
            except (RejectedError, state.StateError) as error:
                self._show_rejection(error)
                continue
            self._show_findings(build)
            await self._report_reload(gateway, build, changed=changed, begun=begun)

    def _write(self, build: Build, kept: State) -> bool:
        """Whether there was something new to write. Raises RejectedError, StateError."""
        sequence = max(self._sequence, kept.last_sequence()) + 1
        signing = kept.signing_key() if build.configuration.identity_providers else None
        packed = build.packed(sequence=sequence, signing=signing)
        if packed.revision == self._revision:
            return False
        kept.write_bundle(packed.files)
        self._sequence, self._revision = sequence, packed.revision
        return True

    async def _report_reload(self, gateway: GatewayProcess, build: Build, *, changed: bool, begun: float) -> None:
        mended, self._rejected = self._rejected, False
        if not changed:
            if mended:
                self._terminal.say(("mended: ", "green"), "the manifests say again what is served")
            return
        while not await self._enforced(gateway):
            if time.monotonic() < begun + ENFORCED_SECONDS:
                await asyncio.sleep(POLL_SECONDS)
                continue
            status = await gateway.status() or {}
            problem = (status.get("last_error") or {}).get("message", "it does not say why")
            self._terminal.error(f"the proxy has not taken revision {self._revision[:19]}…: {problem}")
            return
        reports.reloaded(
            self._terminal, build, revision=self._revision, seconds=time.monotonic() - begun, mended=mended
        )

    def _show_rejection(self, error: RejectedError | state.StateError) -> None:
        self._rejected = True
        problems = error.problems if isinstance(error, RejectedError) else (str(error),)
        for problem in problems:
            self._terminal.say(("rejected: ", "bold red"), str(problem))
        self._terminal.say("          the last good state serves on")

    def _show_findings(self, build: Build) -> None:
        """What is new, and what is no longer so."""
        for note in build.manifests.notes:
            if note not in self._noted:
                self._terminal.say(("note: ", "dim"), str(note))
        self._noted = frozenset(build.manifests.notes)
        found = frozenset(build.errors + build.warnings)
        for show, findings in ((self._terminal.error, build.errors), (self._terminal.warning, build.warnings)):
            fresh = [finding for finding in findings if finding not in self._shown]
            for problem in sorted(map(build.problem, fresh[:SHOWN_AT_ONCE])):
                show(str(problem))
            if len(fresh) > SHOWN_AT_ONCE:
                more = len(fresh) - SHOWN_AT_ONCE
                show(f"and {more} more; `claude-gateway lint {self._options.directory}` lists them all")
        settled = sorted(self._shown - found)
        for finding in settled[:SHOWN_AT_ONCE]:
            self._terminal.say(("settled: ", "green"), str(finding))
        if len(settled) > SHOWN_AT_ONCE:
            self._terminal.say(("settled: ", "green"), f"and {len(settled) - SHOWN_AT_ONCE} more")
        self._shown = found

    async def _end(self, gateway: GatewayProcess) -> None:
        """Lets the proxy drain. Raises nothing: after a signal the exit code is 0."""
        status = await gateway.status() or {}
        streams = int(status.get("open_streams") or 0)
        waiting = f"open streams: {streams}, they have five seconds; Ctrl-C again ends at once" if streams else "ending"
        self._terminal.say(("stopping: ", "bold"), waiting)
        stop_now = asyncio.create_task(self._stop_now.wait())
        ends: set[asyncio.Future[Any]] = {stop_now, gateway.ended}
        try:
            done, _ = await asyncio.wait(ends, timeout=SIGNAL_ARRIVES_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not done and await self._serving(gateway):
                gateway.signal(signal.SIGINT)
            await asyncio.wait(ends, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop_now.cancel()

    async def _serving(self, gateway: GatewayProcess) -> bool:
        """Whether no signal has reached the proxy: a second one would end it at once."""
        status = await gateway.status()
        return status is not None and not status.get("draining")
