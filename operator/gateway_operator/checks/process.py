"""The proxy as a child that checks the upstreams of a bundle and ends."""

import asyncio
import contextlib
import importlib.util
import json
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_config import bundle
from gateway_operator.checks.plan import Plan
from gateway_operator.local import mount

LINE_BYTES = 1024 * 1024
KEPT_LINES = 20


class CheckError(Exception):
    """The proxy did not come to the end of its check; the text is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    models: Sequence[str] = ()
    all_models: bool = False
    seconds: float = 30.0


async def run(plan: Plan, wanted: Wanted, take: Callable[[Mapping[str, Any]], None]) -> None:
    """Gives each line to `take` as it comes. What is written down, credentials too, lies in a directory that only this
    user may read, and is gone at the end. Raises CheckError, bundle.BundleError, OSError."""
    if importlib.util.find_spec("gateway_proxy") is None:
        raise CheckError(
            "the data plane is not installed beside this command, as in the operator's image: run the command where "
            "the whole package is, or claude-gateway-proxy --check in a pod of the gateway"
        )
    # Else the directory would stay behind: as after Ctrl-C, the task is cancelled and clears up.
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in one"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    files = bundle.pack(plan.configuration, credentials=plan.credentials, sequence=1)
    with tempfile.TemporaryDirectory(prefix="claude-gateway-check-") as private:
        config = Path(private) / "config"
        mount.write(config, files)
        await _checked(config, wanted, take)


async def _checked(config: Path, wanted: Wanted, take: Callable[[Mapping[str, Any]], None]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Without the working directory on the path, where any file may be called like a module.
        "-P",
        *("-m", "gateway_operator.local.launcher"),
        *("--config", str(config), "--check"),
        *("--check-seconds", f"{wanted.seconds:g}"),
        *(part for model in wanted.models for part in ("--check-model", model)),
        *(("--check-all-models",) if wanted.all_models else ()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    assert process.stdout is not None, "a pipe was asked for"
    assert process.stderr is not None, "a pipe was asked for"
    last: deque[str] = deque(maxlen=KEPT_LINES)
    errors = asyncio.create_task(_kept(process.stderr, last))
    ended = False
    try:
        async for raw in process.stdout:
            line = json.loads(raw)
            ended = ended or line.get("event") == "end"
            take(line)
        await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await errors
    if not ended:
        said = next((f"; it said last: {line}" for line in reversed(last) if line.strip()), "")
        raise CheckError(f"the check ended too early, with exit code {process.returncode}{said}")


async def _kept(stream: asyncio.StreamReader, last: "deque[str]") -> None:
    async for line in stream:
        last.append(line.decode(errors="replace").rstrip())
