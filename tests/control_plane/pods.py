"""Pods for an API server that has no kubelet: real proxies, or light stand-ins of their admin port.

    with kubelet(api_server, folder=tmp_path) as node:
        first, second = node.run("claude", "corp", count=2)              # light
        real, = node.run_real("claude", "corp")                          # `claude-gateway-proxy` on real.ip:8080
        first.hang(); second.lag(5); first.resume(); first.restart()     # what pods do

Each pod has a loopback address of its own and answers on port 8081, as pods do. What it loads are the live Secrets of
its gateway, mounted at its start and again whenever its annotations change, as a kubelet does; never by itself, which
takes a real one more than a minute. Linux only: elsewhere 127.0.0.0/8 is not ours.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from tests.cluster.api_server import ApiServer
from tests.control_plane.pod import LightPod, Pod, RealPod
from tests.kube.clients import client_of

from gateway_operator import names
from gateway_operator.kube.client import KubeClient, Object
from gateway_operator.kube.resources import PODS
from gateway_operator.kube.watching import EventType, Watch
from gateway_operator.reconcile.pods import SELECTOR

NODE = "stand-in"
_Result = TypeVar("_Result")
_Pod = TypeVar("_Pod", bound=Pod)


@contextmanager
def kubelet(server: ApiServer, *, folder: Path) -> Iterator[Kubelet]:
    """Its pods end with the block; their objects are deleted."""
    node = Kubelet(server, folder)
    try:
        yield node
    finally:
        node.close()


class Kubelet:
    """Runs in a thread with a loop of its own; every method may be called from any other thread."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.api = server.client
        self._server = server
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._pods: dict[str, Pod] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.client: KubeClient = self.call(self._start())

    def run(self, namespace: str, gateway: str, *, count: int = 1, start: bool = True) -> list[LightPod]:
        """New light pods, started unless told otherwise. They become ready once they have loaded something."""
        pods = [self.call(self._create(LightPod, namespace, gateway)) for _ in range(count)]
        for pod in pods if start else ():
            pod.start()
        return pods

    def run_real(self, namespace: str, gateway: str, *, count: int = 1) -> list[RealPod]:
        """New pods with a proxy in each, started; `start` waits until the Secrets that must be there are."""
        pods = [self.call(self._create(RealPod, namespace, gateway)) for _ in range(count)]
        for pod in pods:
            pod.start()
        return pods

    def call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self.call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> KubeClient:
        client = client_of(self._server)
        watch = Watch(client, PODS, labels=SELECTOR, fields=f"spec.nodeName={NODE}", on_event=self._on_event)
        self.spawn(watch.run())
        return client

    async def _stop(self) -> None:
        for pod in list(self._pods.values()):
            await pod.remove()
        while self._tasks:  # ending ones may begin others
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.close()

    async def _create(self, kind: type[_Pod], namespace: str, gateway: str) -> _Pod:
        name = f"{gateway}-{uuid4().hex[:10]}"
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": names.child_labels(gateway)},
            "spec": {
                "nodeName": NODE,
                "containers": [{"name": "proxy", "image": "stand-in"}],
                "terminationGracePeriodSeconds": 30,
            },
        }
        live = await self.client.create(manifest)
        pod = kind(self, live, gateway, folder=self._folder / name)
        self._pods[pod.uid] = pod
        return pod

    def _on_event(self, event: EventType, live: Object) -> None:
        pod = self._pods.get(live["metadata"]["uid"])
        if pod is None:
            return
        if event is EventType.DELETED or "deletionTimestamp" in live["metadata"]:
            self.spawn(pod.remove())
            return
        annotations = live["metadata"].get("annotations") or {}
        if annotations != pod.annotations:
            pod.annotations = annotations
            pod.nudges.append(annotations.get(names.SEQUENCE_ANNOTATION, ""))
            self.spawn(pod.refresh())

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def dropped(self, uid: str) -> None:
        self._pods.pop(uid, None)
