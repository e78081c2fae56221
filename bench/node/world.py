"""The gateway on the node that is measured: five pods, the policies of an organization, and who asks them."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType
from typing import Self

from tests.node.gateways import BODY, NodeGateway
from tests.node.kubernetes import (
    ADDRESS,
    ApiError,
    CommandFailedError,
    Kube,
    Manifest,
    eventually,
    reference,
)
from tests.node.operators import Operator
from tests.standins import framing
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream
from tests.standins.raw_client import request_bytes
from tests.standins.requests_seen import Expected

from bench import fleet
from bench.processes import MeasurementError
from bench.report import Result

NAMESPACE = f"bench-node-{os.getpid()}"
"""Another one each time: an earlier one with a thousand policies takes a while to go."""
GATEWAY = "corp"
PODS = 5
WRITERS = 8
ASK_EVERY = 0.03
"""Seconds between the questions to one pod: how exactly a change is dated."""
READY_SECONDS = 300.0
LONGEST_WAIT = 60.0
ANSWER_SECONDS = 15.0


class World:
    """What the parts share. The gateway is made when the first part asks for it, and goes at the end."""

    def __init__(self, kube: Kube, upstream: AnthropicUpstream, quick: bool, progress: Callable[[str], None]) -> None:
        self.kube = kube
        self.upstream = upstream
        self.quick = quick
        self.progress = progress
        self.operator = Operator(kube)
        self._gateway: NodeGateway | None = None
        self._namespaces: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._namespaces:
            self.kube.delete(reference("v1", "Namespace", "", name))

    def prepare(self) -> None:
        """The operator is installed, and the upstream knows whom to answer. Raises MeasurementError."""
        if not self.operator.pods():
            self.progress("installing the operator")
            try:
                self.operator.install()
            except CommandFailedError as error:
                raise MeasurementError(str(error)) from error
        self.upstream.expected = [Expected.api_key(API_KEY)]

    def namespace(self, name: str) -> str:
        """A new one. Raises MeasurementError."""
        manifest = reference("v1", "Namespace", "", name)
        manifest["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
        try:
            self.kube.create(manifest).accepted()
        except ApiError as error:
            raise MeasurementError(f"namespace {name}: {error}") from error
        self._namespaces.append(name)
        return name

    def gateway(self) -> NodeGateway:
        """Five ready pods and nothing changed on the way. Raises MeasurementError and TimeoutError."""
        if self._gateway is None:
            self.prepare()
            gateway = NodeGateway(self.kube, self.namespace(NAMESPACE), GATEWAY)
            self.progress(f"a gateway of {PODS} pods")
            gateway.apply(*gateway.smallest(self.upstream, replicas=PODS, drain="120s"))
            gateway.wait_ready(within=READY_SECONDS)
            gateway.wait_reachable()
            self._gateway = gateway
        self._gateway.wait_pods(PODS, within=READY_SECONDS)
        return self._gateway

    def add_policies(self, count: int) -> None:
        """So many policies of other teams on the gateway, loaded by every pod."""
        gateway = self.gateway()
        manifests = [fleet.policy(NAMESPACE, GATEWAY, number) for number in range(count)]
        self.progress(f"{count} policies")
        with ThreadPoolExecutor(WRITERS) as writers:
            for written in writers.map(lambda one: gateway.apply(one), manifests):
                assert written is None

        def settled() -> bool:
            listed = self.kube.objects(fleet.VERSION, "GatewayPolicy", NAMESPACE)
            return len(listed) > count and all(map(_programmed, listed))

        eventually(settled, within=READY_SECONDS, what=f"{count} policies are programmed")


def _programmed(policy: Manifest) -> bool:
    conditions = policy.get("status", {}).get("conditions") or []
    return any(one["type"] == "Programmed" and one["status"] == "True" for one in conditions)


def each_within(work: str, taken: Sequence[float], *, mark_seconds: float) -> Result:
    """A row of times in seconds of which even the longest must be below the mark."""
    longest, typical, shortest = max(taken), median(taken), min(taken)
    return Result(
        row="node",
        work=work,
        ours=f"{longest:.2f} s",
        mark=f"each < {mark_seconds:.0f} s",
        met=longest < mark_seconds,
        notes=(f"the longest of {len(taken)}; median {typical:.2f} s, shortest {shortest:.2f} s; {load_average()}",),
        measured={"longest_seconds": longest, "median_seconds": typical, "shortest_seconds": shortest},
    )


def load_average() -> str:
    return "load average {:.1f}, {:.1f}".format(*os.getloadavg()[:2])


@dataclass
class Seen:
    """What one pod answers, since when (Unix seconds)."""

    value: str = ""
    since: float = 0.0


@dataclass
class Pod:
    name: str
    uid: str
    ip: str
    restarts: int
    seen: Seen = field(default_factory=Seen)

    @classmethod
    def of(cls, manifest: Manifest) -> "Pod":
        restarts = sum(status["restartCount"] for status in manifest["status"]["containerStatuses"])
        metadata = manifest["metadata"]
        return cls(metadata["name"], metadata["uid"], manifest["status"]["podIP"], restarts)


class Questions:
    """Asks every pod, by its own address, on one kept connection again and again, and keeps what it says.

    `read` makes a short word of an answer's status and body; an answer of None counts as a failure. `headers`: the
    credential of another than the gateway's usual developer.
    """

    def __init__(
        self, gateway: NodeGateway, *, read: Callable[[int, bytes], str | None], headers: framing.Headers = ()
    ) -> None:
        self.pods = [Pod.of(manifest) for manifest in gateway.wait_pods(PODS)]
        self.asked = 0
        self.failures: list[str] = []
        self._read = read
        self._request = request_bytes("POST", "/v1/messages?beta=true", headers or gateway.headers(), BODY)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="questions", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()
        eventually(lambda: all(pod.seen.value for pod in self.pods), within=LONGEST_WAIT, what="an answer of every pod")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait_all(self, value: str, what: str) -> list[float]:
        """When each pod first answered so, in Unix seconds. Raises TimeoutError."""

        def holds() -> bool:
            return all(pod.seen.value == value for pod in self.pods)

        eventually(holds, within=LONGEST_WAIT, what=what)
        return [pod.seen.since for pod in self.pods]

    async def _begin(self) -> None:
        self._tasks = [asyncio.create_task(self._ask(pod)) for pod in self.pods]

    async def _finish(self) -> None:
        self._ending.set()
        await asyncio.gather(*self._tasks)

    async def _ask(self, pod: Pod) -> None:
        writer: asyncio.StreamWriter | None = None
        try:
            while not self._ending.is_set():
                try:
                    if writer is None:
                        reader, writer = await asyncio.open_connection(pod.ip, 8080)
                    writer.write(self._request)
                    async with asyncio.timeout(ANSWER_SECONDS):
                        status, body = await _answer(reader)
                    value = self._read(status, body)
                except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                    self.failures.append(f"{pod.name}: {error!r}")
                    writer = None
                else:
                    if value is None:
                        self.failures.append(f"{pod.name}: {status} {body[:200]!r}")
                    elif value != pod.seen.value:
                        pod.seen = Seen(value, time.time())
                self.asked += 1
                await asyncio.sleep(ASK_EVERY)
        finally:
            if writer is not None:
                writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.splitlines() if line.lower().startswith(b"content-length:")]
    if not lengths:
        raise MeasurementError(f"an answer without a length: {head!r}")
    return int(head.split(b" ", 2)[1]), await reader.readexactly(int(lengths[0]))


def same_lives(before: Sequence[Pod], gateway: NodeGateway) -> bool:
    """Whether these are the same pods, and no container was restarted."""
    with contextlib.suppress(KeyError):
        after = {(pod.uid, pod.restarts) for pod in map(Pod.of, gateway.pods())}
        return after == {(pod.uid, pod.restarts) for pod in before}
    return False


__all__ = [
    "ADDRESS",
    "GATEWAY",
    "NAMESPACE",
    "PODS",
    "Pod",
    "Questions",
    "World",
    "each_within",
    "load_average",
    "same_lives",
]
