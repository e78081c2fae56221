"""`claude-gateway-proxy`: arguments, process settings, exit codes."""

import argparse
import contextlib
import ctypes
import dataclasses
import gc
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway_proxy.options import Address, Options
from gateway_proxy.timeouts import Timeouts
from gateway_proxy.version import VERSION

SWITCH_SECONDS: Final = 0.001
"""How long a thread may hold the interpreter while the event loop wants it. A configuration is built in a thread; with
Python's 5 ms each turn of the event loop would wait that long meanwhile."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Names of mallopt(3)."""
_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Freed memory at the end of the heap that is kept for what comes next."""
_OWN_MAPPING_BYTES: Final = 2 * 1024 * 1024
"""What is as large as that is no part of the heap, and goes back when it is freed."""

_EPILOG = """\
examples:
  claude-gateway-proxy --config /etc/claude-gateway
  claude-gateway-proxy --config ./bundle --listen 127.0.0.1:8080 \\
      --admin-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0

The directory holds a compiled configuration, as the operator mounts it or `claude-gateway up` writes it. It is
followed: a new one is verified, built and put in force without a restart, a broken one leaves the last good one in
force. Until the first one is there, /readyz says 503 and the process waits.

check:
  claude-gateway-proxy --config /etc/claude-gateway --check
  asks every upstream for a message of one token with the models that policies open, writes a JSON line for each
  thing that it finds, and ends; inside a pod that is done with the pod's own identity. Nothing is served.

signals:
  SIGTERM   not ready at once, five more seconds of accepting, then open streams up to the gateway's drain time
  SIGINT    stops accepting at once; open streams have five seconds
  a second  ends at once

exit status: 0 after a drain, 1 when something failed, 2 for arguments that make no sense.
With --check: 0 when every upstream answers, 1 when one does not, 2 when there is no configuration to check.
The operational log goes to standard error, the audit log to standard output, both as JSON lines.
"""


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return value


def _check_seconds(text: str) -> float:
    value = _seconds(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r}: a request needs more than 0 seconds")
    return value


def _limit(text: str) -> tuple[str, float]:
    """One of the Timeouts, from `NAME=SECONDS`."""
    names = [field.name for field in dataclasses.fields(Timeouts)]
    name, equals, seconds = text.partition("=")
    if name not in names or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SECONDS with a name of {', '.join(names)}")
    value = _seconds(seconds)
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r}: a limit is more than 0 seconds")
    return name, value


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="claude-gateway-proxy",
        description="The data plane of a Claude gateway: relays Claude Code's requests to the upstreams.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = arguments.add_argument
    add("--config", type=Path, required=True, metavar="DIR", help="the directory with the compiled configuration")
    add(
        "--listen", type=_address, default=Address("0.0.0.0", 8080), metavar="HOST:PORT",  # noqa: S104  a pod's service port
        help="where developers connect; port 0 takes a free one (default: 0.0.0.0:8080)",
    )  # fmt: skip
    add(
        "--admin-listen", type=_address, default=Address("0.0.0.0", 8081), metavar="HOST:PORT",  # noqa: S104  the operator's
        help="GET /status: loaded revision, last load error, open streams (default: 0.0.0.0:8081)",
    )  # fmt: skip
    add(
        "--metrics-listen", type=_address, default=Address("0.0.0.0", 9090), metavar="HOST:PORT",  # noqa: S104  Prometheus'
        help="GET /metrics, without a token (default: 0.0.0.0:9090)",
    )  # fmt: skip
    add("--admin-token-file", type=Path, metavar="FILE", help="/status asks for this file's content as bearer token")
    add(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="of the operational log (default: info)",
    )
    add(
        "--drain-accept",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long connections are accepted after SIGTERM (default: 5)",
    )
    add(
        "--tls-dir",
        type=Path,
        metavar="DIR",
        help="--listen serves TLS with tls.crt and tls.key of this directory, and follows their changes",
    )
    add(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="where an embedded store keeps its file; made if it is not there",
    )
    check = arguments.add_argument_group("check")
    check.add_argument("--check", action="store_true", help="try every upstream and end, see below")
    check.add_argument(
        "--check-model",
        action="append",
        default=[],
        metavar="MODEL",
        help="try this model alone; repeatable (default: up to four that policies open, the cheapest and newest first)",
    )
    check.add_argument("--check-all-models", action="store_true", help="try every model that a policy opens")
    check.add_argument(
        "--check-seconds", type=_check_seconds, default=30.0, metavar="SECONDS", help="for each request (default: 30)"
    )
    # Not for daily use, and therefore not in the help: docs/operations.md tells what they are.
    add("--limit", type=_limit, action="append", default=[], metavar="NAME=SECONDS", help=argparse.SUPPRESS)
    add("--version", action="version", version=f"claude-gateway-proxy {VERSION}")
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until a signal; returns the exit status."""
    given = parser().parse_args(arguments)
    if given.check:
        from gateway_proxy.checks.run import CheckOptions
        from gateway_proxy.checks.run import run as check

        return check(
            CheckOptions(
                config=given.config,
                models=given.check_model,
                all_models=given.check_all_models,
                seconds=given.check_seconds,
            )
        )
    options = Options(
        config=given.config,
        listen=given.listen,
        admin_listen=given.admin_listen,
        metrics_listen=given.metrics_listen,
        admin_token_file=given.admin_token_file,
        log_level=given.log_level,
        drain_accept_seconds=given.drain_accept,
        tls_directory=given.tls_dir,
        state_directory=given.state_dir,
        timeouts=Timeouts(**dict(given.limit)),
    )
    _raise_open_files_limit()
    sys.setswitchinterval(SWITCH_SECONDS)
    # Requests make few cycles; looking for them every 700 allocations would cost more than they hold.
    gc.set_threshold(20_000, 20, 20)
    _keep_freed_memory()

    # Only now, so that --help and a mistyped option are answered at once.
    from gateway_proxy.app import run

    return run(options)


def _keep_freed_memory() -> None:
    """glibc gives the freed end of its heap back to the system at once, and gets it again, page by page, for the next
    large body: a fifth of the time that a request of 200 KB takes."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        settle = ctypes.CDLL(None).mallopt
        settle(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        # glibc raises this one by itself, but not any more once the other is set.
        settle(_M_MMAP_THRESHOLD, _OWN_MAPPING_BYTES)


def _raise_open_files_limit() -> None:
    """Each stream holds two sockets; many systems start a process with 1,024 descriptors and allow far more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return  # some systems name a hard limit that they do not grant


if __name__ == "__main__":
    sys.exit(main())
