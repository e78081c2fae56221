"""Pods that crash, have no image or hang: the conditions say so, by the pod's name and its own trouble."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.node.gateways import Gateways, NodeGateway
from tests.node.kubernetes import Kube, eventually

CRASH = [{"name": "PYTHONHOME", "value": "/nowhere"}]
"""With it, no Python starts."""


def processes(pod: dict[str, Any]) -> list[int]:
    """Those of a pod's proxy, as the node sees them."""
    mark = f"pod{pod['metadata']['uid']}"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "cgroup").read_text() and b"claude-gateway" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@contextmanager
def hanging(pod: dict[str, Any]) -> Iterator[None]:
    """The pod's processes do nothing meanwhile."""
    stopped = processes(pod)
    assert stopped, "the proxy's process was not found"
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def wait_said(gateway: NodeGateway, type_: str, *words: str, status: str = "False", within: float = 60.0) -> str:
    """The message of the gateway's condition, once all the words are in it."""

    def said() -> str:
        found = gateway.condition("GatewayDeployment", gateway.name, type_)
        text = f"{found.get('reason')}: {found.get('message')}"
        return text if found.get("status") == status and all(word in text for word in words) else ""

    return eventually(said, within=within, what=f"{type_}={status} of {gateway.namespace} with {words}")


@pytest.mark.timeout(180)
def test_a_crash_loop_is_told_and_mended_by_the_spec(gateways: Gateways) -> None:
    gateway = gateways(ready=False, podTemplate={"env": CRASH})
    wait_said(gateway, "Ready", "NoReadyPods", "exit code 1")
    wait_said(gateway, "Programmed", "NoReadyPods")
    (pod,) = gateway.pods()
    assert pod["metadata"]["name"] in wait_said(gateway, "Ready", "CrashLoopBackOff")
    gateway.apply(gateway.deployment(podTemplate={"env": []}))
    gateway.wait_ready()
    assert gateway.ask().status == 200


def test_an_image_that_is_not_there_never_takes_the_place_of_one_that_serves(kube: Kube, gateways: Gateways) -> None:
    gateway = gateways()
    gateway.apply(gateway.deployment(image="localhost/claude-gateway-proxy:never-built"))
    message = wait_said(gateway, "Ready", "ErrImageNeverPull")
    assert "PodsNotReady" in message
    assert gateway.ask().status == 200, "the old pod serves on"
    gateway.apply(gateway.deployment(image="localhost/claude-gateway-proxy:dev"))
    gateway.wait_ready()


@pytest.mark.timeout(180)
def test_a_pod_that_hangs_is_behind_and_then_not_ready(gateways: Gateways) -> None:
    gateway = gateways(replicas=2)
    sick, _ = gateway.wait_pods(2)
    policy = gateway.policy("contractors", matches=[{"groups": ["contractors"]}], availableModels=[])
    with hanging(sick):
        gateway.apply(policy)
        said = gateway.wait_condition("GatewayPolicy", "contractors", "Programmed", status="False", reason="PodsBehind")
        assert sick["metadata"]["name"] in said["message"]
        wait_said(gateway, "Ready", "PodsNotReady", "1 of 2 pods are ready", sick["metadata"]["name"])
        gateway.wait_programmed(policy)
        assert gateway.status()["readyReplicas"] == 1
        assert gateway.status()["programmedReplicas"] == 1
    gateway.wait_ready()
    gateway.wait_programmed(policy)
    assert gateway.status()["programmedReplicas"] == 2
    assert {pod["metadata"]["uid"] for pod in gateway.pods()} >= {sick["metadata"]["uid"]}
