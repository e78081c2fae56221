"""While the API server is away developers are served on; once it is back the operator catches up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import OperatorProcess, new_namespace, running_operator
from tests.control_plane.pod import PORT, RealPod
from tests.control_plane.pods import kubelet
from tests.faults.scenery import WITHIN, Gateway
from tests.kube.cut_proxy import CutProxy, cut_proxy
from tests.standins.manifests import developer_key, key_of
from tests.standins.raw_client import fetch

AWAY_SECONDS = 20.0


@pytest.mark.timeout(300)
def test_twenty_seconds_without_an_api_server(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    """One operator is refused, the other meets silence; both are restarted when they end, as a kubelet does."""
    with ExitStack() as stack:
        node = stack.enter_context(kubelet(api_server, folder=tmp_path))
        refused, silent = (Away(stack, api, api_server, tmp_path) for _ in range(2))
        for each in (refused, silent):
            each.pod = node.run_real(each.gateway.namespace, each.gateway.name)[0]
        for each in (refused, silent):
            each.gateway.wait_for(each.gateway.gateway, "Programmed", ("True", "Programmed"), within=WITHIN)
            each.before = each.gateway.uids()
            each.watch_over()

        refused.proxy.refuse()
        silent.proxy.hold()
        until = time.monotonic() + AWAY_SECONDS
        for each in (refused, silent):
            each.change()
        time.sleep(max(0.0, until - time.monotonic()))  # the outage itself
        refused.proxy.accept()
        silent.proxy.resume()

        for each in (refused, silent):
            each.check()


class Away:
    """One gateway with a real proxy, and its operator behind a connection that can be taken away."""

    def __init__(self, stack: ExitStack, api: ApiClient, server: ApiServer, folder: Path) -> None:
        self.gateway = Gateway(api, new_namespace(api)).create()
        key = developer_key("alice@corp.example")
        key["metadata"] = {
            **key["metadata"],
            "namespace": self.gateway.namespace,
            "labels": {"claude-gateway.dev/gateway": self.gateway.name},
        }
        api.create(key).accepted()
        self.proxy: CutProxy = stack.enter_context(cut_proxy(server.url))
        kubeconfig = folder / f"kubeconfig-{self.gateway.namespace}"
        kubeconfig.write_text(server.kubeconfig.read_text().replace(server.url, self.proxy.url))
        kubeconfig.chmod(0o600)
        self.operator: OperatorProcess = stack.enter_context(
            running_operator(
                server,
                folder=folder,
                namespaces=[self.gateway.namespace],
                options={"kubeconfig": kubeconfig},
            )
        )
        self.operator.wait_until_synced(within=WITHIN)
        self.operator.keep_running()
        self.pod: RealPod
        self.before: dict[str, str] = {}
        self.answers: list[int] = []
        self._over = threading.Event()
        self._asking: threading.Thread | None = None
        stack.callback(self._end)

    def watch_over(self) -> None:
        """From now on a developer asks again and again, until `check`."""
        self._asking = threading.Thread(target=self._ask, daemon=True)
        self._asking.start()

    def change(self) -> None:
        """What people do meanwhile, by another way to the API server."""
        self.gateway.edit(self.gateway.policy, availableModels=["claude-haiku-5-5"])
        self.gateway.rotate(7)
        service = self.gateway.children["Service/corp"]
        self.gateway.api.delete(service).accepted()

    def check(self) -> None:
        gateway = self.gateway
        gateway.wait_for_models("claude-haiku-5-5")
        eventually(lambda: gateway.serves_credential(7), within=WITHIN, what="the new credential")
        gateway.wait_for_children(within=WITHIN)
        wait(lambda: gateway.condition(gateway.policy, "Programmed"), generation=2)
        after = gateway.uids()
        assert {name for name in after if after[name] != self.before[name]} == {"Service/corp"}
        self._end()
        assert len(self.answers) > AWAY_SECONDS
        assert set(self.answers) == {200}, "served all the time"

    def _end(self) -> None:
        self._over.set()
        if self._asking is not None:
            self._asking.join()
            self._asking = None

    def _ask(self) -> None:
        headers = [("x-api-key", key_of("alice@corp.example"))]
        while not self._over.wait(0.2):
            response = fetch(PORT, "GET", "/v1/models", headers=headers, host=self.pod.ip)
            self.answers.append(response.status)


def wait(condition: Callable[[], dict[str, Any]], *, generation: int) -> None:
    def look() -> bool:
        seen = condition()
        return seen.get("observedGeneration") == generation and seen.get("status") == "True"

    eventually(look, within=WITHIN, what=f"programmed in generation {generation}")
