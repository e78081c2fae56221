"""One process from its start to its end: sockets, configuration, servers, drain."""

import asyncio
import errno
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

import uvloop
from aiohttp import web

from gateway_proxy import admin
from gateway_proxy.certificates import CertificateError, ServedCertificate
from gateway_proxy.config.watch import ConfigWatcher
from gateway_proxy.drain import ENDING_SECONDS, Drain
from gateway_proxy.options import Address, Options
from gateway_proxy.providers import Pools
from gateway_proxy.routes import build_server
from gateway_proxy.server import GatewayServer
from gateway_proxy.services import Services
from gateway_proxy.store.stores import Stores
from gateway_proxy.telemetry import logs
from gateway_proxy.telemetry.audit import AuditLog
from gateway_proxy.telemetry.usage_reports import UsageReports
from gateway_proxy.version import VERSION

log = logging.getLogger(__name__)

BACKLOG: Final = 4096
"""Connections that wait to be accepted; the kernel cuts it to its own limit."""
INTERRUPT_SECONDS: Final = 5.0
"""How long open streams may live on after SIGINT: a person waits at a terminal."""
ABRUPT_FLUSH_SECONDS: Final = 0.3
"""For the audit lines that are queued when a second signal ends the process."""
RELAY_FLUSH_SECONDS: Final = 2.0
"""For the reports that wait for their collectors at the end."""
FLUSH_POLL_SECONDS: Final = 0.05


class StartError(Exception):
    """The process cannot start; the message is the one line that says why."""


def run(options: Options) -> int:
    """Serves until a signal; returns the exit status."""
    listener = logs.start(options.log_level)
    try:
        return uvloop.run(_serve(options))
    except StartError as error:
        log.error("%s", error, extra={"event": "start.failed"})  # noqa: TRY400  the line says it all
        return 1
    except Exception:
        log.exception("the proxy failed", extra={"event": "failed"})
        return 1
    finally:
        listener.stop()


async def _serve(options: Options) -> int:
    signals = _Signals()
    async with AsyncExitStack() as stack:
        sockets = [_bound(options.listen, "--listen"), _bound(options.admin_listen, "--admin-listen")]
        sockets.append(_bound(options.metrics_listen, "--metrics-listen"))
        service, admin_port, metrics_port = sockets
        audit = AuditLog()
        stack.callback(audit.close)
        signals.before_abrupt_end = lambda: audit.close(seconds=ABRUPT_FLUSH_SECONDS)
        services = Services(audit=audit)
        certificate = _certificate(options, services)
        pools = Pools()
        stack.callback(pools.close)
        services.metrics.outbound_failures = lambda: pools.outbound_failures
        await _start_application(stack, admin.metrics_application(services), metrics_port)
        await _start_application(stack, admin.admin_application(services, options.admin_token_file), admin_port)
        server = build_server(services, ticker=pools.ticker, timeouts=options.timeouts)
        acceptor = await asyncio.get_running_loop().create_server(
            server,
            sock=service,
            backlog=BACKLOG,
            ssl=certificate.context if certificate is not None else None,
            ssl_handshake_timeout=options.timeouts.head if certificate is not None else None,
        )
        if certificate is not None:
            stack.callback(certificate.stop)
            certificate.follow()
        reports = UsageReports(
            services, interval=options.timeouts.report, instance=f"{socket.gethostname()}-{os.getpid()}"
        )
        stack.push_async_callback(services.relay.close, seconds=RELAY_FLUSH_SECONDS)
        stack.push_async_callback(reports.stop)
        reports.start()
        stores = Stores(services, state_directory=options.state_directory, metrics=services.metrics.store)
        stack.push_async_callback(stores.close)
        feed = asyncio.create_task(services.revocation_feed.run(), name="revocations")
        stack.push_async_callback(_ended, feed)
        watcher = ConfigWatcher(
            options.config, services=services, pools=pools, stores=stores, on_first_load=_settle_memory
        )
        stack.callback(watcher.stop)
        watcher.start()
        log.info(
            "listening",
            extra={
                "event": "listening",
                "listen": _name_of(service),
                "admin": _name_of(admin_port),
                "metrics": _name_of(metrics_port),
                "tls": certificate is not None,
                "version": VERSION,
                "pid": os.getpid(),
            },
        )
        received = await signals.first()
        await _drained(received, services=services, options=options, acceptor=acceptor, server=server)
    return 0


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _drained(
    received: signal.Signals,
    *,
    services: Services,
    options: Options,
    acceptor: asyncio.Server,
    server: GatewayServer,
) -> None:
    """The process's last minutes; returns when the last connection has ended."""
    current = services.holder.current
    limit = current.configuration.limits.drain_seconds if current is not None else 0.0
    accept = options.drain_accept_seconds if received == signal.SIGTERM else 0.0
    # A drain below the time of accepting would cut streams that were accepted a moment ago.
    seconds = max(limit, accept) if received == signal.SIGTERM else min(limit, INTERRUPT_SECONDS)
    drain: Drain = services.drain
    drain.begin(seconds=seconds)
    log.info(
        "draining: %d open streams have %g s",
        drain.open_streams,
        seconds,
        extra={"event": "drain.begin", "signal": received.name, "open_streams": drain.open_streams},
    )
    started = time.monotonic()
    await asyncio.sleep(accept)
    acceptor.close()
    server.retire(idle_seconds=accept)
    deadline = drain.deadline or 0.0
    await _empty(server, until=deadline)
    cut = await drain.finish()
    server.retire(idle_seconds=0.0)
    await _empty(server, until=max(deadline, asyncio.get_running_loop().time() + ENDING_SECONDS))
    await server.stop()
    log.info(
        "drained",
        extra={"event": "drain.end", "streams_cut": cut, "seconds": round(time.monotonic() - started, 2)},
    )


async def _empty(server: GatewayServer, *, until: float) -> None:
    """Waits until the last connection is gone. That is later than the last answer: slow clients still take what was
    written for them, and one that has not been told yet may ask once more. `until` is in the event loop's time."""
    loop = asyncio.get_running_loop()
    while server.connections and loop.time() < until:  # noqa: ASYNC110 - aiohttp's server tells nobody of its last one
        await asyncio.sleep(FLUSH_POLL_SECONDS)


class _Signals:
    """SIGTERM and SIGINT: the first one is waited for, the second one ends the process where it stands."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.before_abrupt_end: Callable[[], None] = lambda: None
        self._first: asyncio.Future[signal.Signals] = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._received, number)

    async def first(self) -> signal.Signals:
        return await self._first

    def _received(self, number: signal.Signals) -> None:
        if not self._first.done():
            self._first.set_result(number)
            return
        self.before_abrupt_end()
        os.write(2, b'{"level":"warning","event":"ended","message":"a second signal: ending at once"}\n')
        os._exit(1)


def _certificate(options: Options, services: Services) -> ServedCertificate | None:
    if options.tls_directory is None:
        return None
    try:
        return ServedCertificate(options.tls_directory, state=services.metrics.certificate)
    except CertificateError as error:
        raise StartError(f"cannot serve TLS: {error}") from error


async def _start_application(stack: AsyncExitStack, application: web.Application, sock: socket.socket) -> None:
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, sock).start()


def _bound(address: Address, option: str) -> socket.socket:
    """A socket bound to the address; raises StartError with the way out."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        found.bind(where)
        # Now and not when the loop takes it: an address in use is told at once.
        found.listen(BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"another process uses the port; end it or choose another with {option}"
        else:
            reason = f"{error.strerror or error}; choose another address with {option}"
        raise StartError(f"cannot listen on {address}: {reason}") from error
    found.setblocking(False)
    return found


def _name_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return str(Address(host, port))


def _settle_memory() -> None:
    """What is loaded by now lives as long as the process: the collector need not walk it again, ever."""
    gc.collect()
    gc.freeze()
