"""A pod that hangs or crash-loops: Programmed and Ready say so, and say when it is over."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.control_plane.pods import kubelet
from tests.faults.scenery import Gateway


def test_what_the_pods_do_is_told(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    namespace = new_namespace(api)
    gateway = Gateway(api, namespace).create()
    with (
        kubelet(api_server, folder=tmp_path) as node,
        running_operator(api_server, folder=tmp_path, namespaces=[namespace]) as operator,
    ):
        operator.wait_until_synced()
        first, second = node.run(namespace, gateway.name, count=2)
        gateway.wait_for(gateway.gateway, "Ready", ("True", "Ready"))

        second.hang()
        gateway.edit(gateway.policy, availableModels=["claude-haiku-5-5"])
        gateway.wait_for_condition(gateway.policy, "Programmed", "PodsBehind", says=second.name)
        gateway.wait_for_condition(gateway.gateway, "Programmed", "PodsBehind", says=second.name)
        second.resume()
        gateway.wait_for(gateway.policy, "Programmed", ("True", "Programmed"))

        second.crash_loop()
        gateway.wait_for_condition(gateway.gateway, "Ready", "PodsNotReady", says="CrashLoopBackOff")
        assert gateway.condition(gateway.policy, "Programmed")["status"] == "True", "the pod that serves has it"
        first.crash_loop()
        gateway.wait_for_condition(gateway.gateway, "Programmed", "NoReadyPods", says="CrashLoopBackOff")
        gateway.wait_for_condition(gateway.policy, "Programmed", "NoReadyPods")
        for pod in (first, second):
            pod.restart()
        gateway.wait_for(gateway.gateway, "Ready", ("True", "Ready"))
        gateway.wait_for(gateway.policy, "Programmed", ("True", "Programmed"))
