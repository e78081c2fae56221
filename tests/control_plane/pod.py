"""What stands in for one pod: a real proxy, or only its admin port. `pods` is the kubelet that runs them."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from tests.proxy.kubelet import project
from tests.proxy.processes import PROGRAM

from gateway_operator import names
from gateway_operator.kube.client import Object
from gateway_operator.kube.errors import ConflictError, NotFoundError
from gateway_operator.kube.resources import PODS, SECRETS

if TYPE_CHECKING:
    from tests.control_plane.pods import Kubelet

ADMIN_PORT = 8081
PORT = 8080
METRICS_PORT = 9090
TOKEN_FILE = "admin-token"
_addresses = itertools.count(os.getpid() * 251 % 60_000)


class Pod:
    """What the test sees: blocking methods. What the kubelet calls: coroutines."""

    def __init__(self, node: Kubelet, live: Object, gateway: str, *, folder: Path) -> None:
        metadata = live["metadata"]
        self.uid: str = metadata["uid"]
        self.name: str = metadata["name"]
        self.namespace: str = metadata["namespace"]
        self.gateway = gateway
        self.ip = _free_address()
        self.annotations: Mapping[str, str] = {}
        self.nudges: list[str] = []
        """Every value of the nudge annotation that it saw, in order."""
        self.delay = 0.0
        self._node = node
        self._folder = folder
        self._restarts = 0
        self._ready: bool | None = None
        self._mounting = asyncio.Lock()

    def start(self) -> None:
        self._node.call(self.begin())

    def lag(self, seconds: float) -> None:
        """From now on the mount follows an annotation so many seconds later."""
        self.delay = seconds

    def restart(self) -> None:
        """The container ends and is started anew, in place: same pod, same address."""
        self._node.call(self._restart())

    def crash_loop(self) -> None:
        """The container ends and the kubelet waits before it starts it anew, for ever."""
        self._node.call(self._crash())

    def set_ready(self, ready: bool) -> None:
        self._node.call(self.tell(ready=ready))

    def delete(self) -> None:
        """As `kubectl delete pod`: terminating first, then gone."""
        self._node.call(self._delete())

    async def begin(self) -> None:
        raise NotImplementedError

    async def end(self) -> None:
        raise NotImplementedError

    async def load(self, files: Mapping[str, bytes]) -> None:
        raise NotImplementedError

    async def refresh(self) -> None:
        """Mounts what the Secrets hold now; tries again while one that must be there is not."""
        await asyncio.sleep(self.delay)
        async with self._mounting:
            while (files := await self._mounted()) is None:
                await asyncio.sleep(0.2)
            await self.load(files)

    async def _mounted(self) -> dict[str, bytes] | None:
        """The projected volume. As with a real one, the Secrets are read one after the other."""
        gateway = self.gateway
        wanted = [
            (names.config_secret(gateway), None),
            *((names.config_secret(gateway, part), None) for part in range(1, 8)),
            (names.credentials_secret(gateway), None),
            (names.signing_secret(gateway), TOKEN_FILE),
        ]
        files: dict[str, bytes] = {}
        for name, only in wanted:
            secret = await self._node.client.get(SECRETS, self.namespace, name)
            if secret is None and name in (names.config_secret(gateway), names.credentials_secret(gateway)):
                return None
            for key, value in ((secret or {}).get("data") or {}).items():
                if only in (None, key):
                    files[key] = base64.b64decode(value)
        return files

    async def tell(self, *, ready: bool, state: Mapping[str, Any] | None = None) -> None:
        """Writes the pod's status."""
        self._ready = ready
        last = {"terminated": {"exitCode": 1, "reason": "Error", "containerID": "stand-in://before"}}
        word = "True" if ready else "False"
        status = {
            "phase": "Running",
            "podIP": self.ip,
            "podIPs": [{"ip": self.ip}],
            "conditions": [{"type": kind, "status": word} for kind in ("Ready", "ContainersReady")],
            "containerStatuses": [
                {
                    "name": "proxy",
                    "image": "stand-in",
                    "imageID": "",
                    "containerID": f"stand-in://{self.name}-{self._restarts}",
                    "restartCount": self._restarts,
                    "ready": ready,
                    "started": ready,
                    "state": dict(state or {"running": {"startedAt": "2026-11-23T10:00:00Z"}}),
                    **({"lastState": last} if self._restarts else {}),
                }
            ],
        }
        with suppress(NotFoundError, ConflictError):
            await self._node.client.merge_patch(
                PODS, self.namespace, self.name, {"metadata": {"uid": self.uid}, "status": status}, subresource="status"
            )

    async def _restart(self) -> None:
        await self.end()
        self._restarts += 1
        await self.tell(ready=False)
        await self.begin()

    async def _crash(self) -> None:
        await self.end()
        self._restarts += 1
        await self.tell(
            ready=False,
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}},
        )

    async def _delete(self) -> None:
        await self._node.client.delete(PODS, self.namespace, self.name, uid=self.uid)

    async def remove(self) -> None:
        """Ends the process and takes the object away, as a kubelet does at the end of a termination."""
        self._node.dropped(self.uid)
        await self.end()
        path = PODS.path(self.namespace, self.name)
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        await asyncio.to_thread(self._node.api.request, "DELETE", path, body=options)


class LightPod(Pod):
    """An admin port that reports what lies in its mount, and can be told to misbehave."""

    def __init__(self, node: Kubelet, live: Object, gateway: str, *, folder: Path) -> None:
        super().__init__(node, live, gateway, folder=folder)
        self.asked = 0
        """How often its admin port was asked."""
        self.sequence: int | None = None
        self.revision: str | None = None
        self._token = b""
        self._error: dict[str, Any] | None = None
        self._refuses = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._runner: web.ServerRunner | None = None

    def hang(self) -> None:
        """Connections are taken and nothing is answered."""
        self._node.call(self._set(self._flowing.clear))

    def resume(self) -> None:
        self._node.call(self._set(self._flowing.set))

    def refuse_token(self, refuses: bool = True) -> None:
        self._refuses = refuses

    def fail_to_load(self, reason: str = "ConfigCorrupt", message: str = "part-0 is not what the index says") -> None:
        """From now on the last good configuration stays in force."""
        self._error = {"reason": reason, "message": message, "at": "2026-11-23T10:00:00.000Z"}

    def load_again(self) -> None:
        self._error = None
        self._node.call(self.refresh())

    async def begin(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._status), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.ip, ADMIN_PORT).start()
        await self.tell(ready=False)
        self._node.spawn(self.refresh())

    async def end(self) -> None:
        self.sequence = self.revision = None
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def load(self, files: Mapping[str, bytes]) -> None:
        self._token = files.get(TOKEN_FILE, b"")
        if self._error is None:
            index = orjson.loads(files["index.json"])
            self.sequence, self.revision = index["sequence"], index["revision"]
        if self._ready is False and self._runner is not None and self.sequence is not None:
            await self.tell(ready=True)

    async def _set(self, change: Callable[[], None]) -> None:
        change()

    async def _status(self, request: web.BaseRequest) -> web.Response:
        self.asked += 1
        await self._flowing.wait()
        presented = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if self._refuses or presented != self._token.strip():
            return web.Response(status=401, text="{}", content_type="application/json")
        document = {
            "version": "stand-in",
            "contract": 1,
            "revision": self.revision,
            "sequence": self.sequence,
            "loaded_at": None,
            "last_error": self._error,
            "ready": True,
            "draining": False,
            "open_streams": 0,
        }
        return web.Response(body=orjson.dumps(document), content_type="application/json")


class RealPod(Pod):
    """A proxy process on `ip`: port 8080 for developers, 8081 and 9090 beside it."""

    def __init__(self, node: Kubelet, live: Object, gateway: str, *, folder: Path) -> None:
        super().__init__(node, live, gateway, folder=folder)
        self.log = folder.with_suffix(".log")
        self._mount = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def begin(self) -> None:
        await self.tell(ready=False)
        await self.refresh()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                PROGRAM,
                *("--config", str(self._mount), "--admin-token-file", str(self._mount / TOKEN_FILE)),
                *("--listen", f"{self.ip}:{PORT}"),
                *("--admin-listen", f"{self.ip}:{ADMIN_PORT}"),
                *("--metrics-listen", f"{self.ip}:{METRICS_PORT}"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self._node.spawn(self._probe(self._process))

    async def end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def load(self, files: Mapping[str, bytes]) -> None:
        project(self._mount, files)

    async def _probe(self, process: asyncio.subprocess.Process) -> None:
        """The readiness probe, more often than a kubelet's."""
        while self._process is process:
            ready = await _is_ready(self.ip)
            if self._process is process and ready != self._ready:
                await self.tell(ready=ready)
            await asyncio.sleep(0.1)


async def _is_ready(ip: str) -> bool:
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(ip, PORT)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
            status = await reader.readline()
            writer.close()
    except OSError:  # TimeoutError is one
        return False
    return b" 200 " in status


def _free_address() -> str:
    """A loopback address on which nobody listens yet."""
    for _ in range(1000):
        number = next(_addresses) % 64_000
        ip = f"127.{10 + number // 16_000}.{number // 250 % 250}.{1 + number % 250}"
        try:
            for port in (ADMIN_PORT, PORT, METRICS_PORT):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((ip, port))
        except OSError:
            continue
        return ip
    raise RuntimeError("no free loopback address")
