"""One gateway with a real proxy, and its operator behind a connection that can be taken away."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from tests.cluster.api_client import eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import OperatorProcess, new_namespace, running_operator
from tests.control_plane.pod import PORT, RealPod
from tests.control_plane.pods import Kubelet
from tests.faults.scenery import WITHIN, Gateway
from tests.kube.cut_proxy import CutProxy, cut_proxy
from tests.standins.manifests import key_of
from tests.standins.raw_client import ClosedEarlyError, fetch

Kind = Literal["refused", "silent"]
DEVELOPER = "alice@corp.example"
ASKED_EVERY = 0.2
MADE_ANEW = "Service/corp"
"""What is deleted during the outage."""


class Outage:
    """`begin`, `change`, `end`, then `wait_until_caught_up`. A developer asks the proxy all the time: `answers`."""

    def __init__(self, stack: ExitStack, server: ApiServer, node: Kubelet, folder: Path, *, kind: Kind) -> None:
        api = server.client
        self._kind = kind
        self.gateway = Gateway(api, new_namespace(api)).create()
        api.create(self.gateway.developer_key(DEVELOPER)).accepted()
        self._proxy: CutProxy = stack.enter_context(cut_proxy(server.url))
        kubeconfig = folder / f"kubeconfig-{self.gateway.namespace}"
        kubeconfig.write_text(server.kubeconfig.read_text().replace(server.url, self._proxy.url))
        kubeconfig.chmod(0o600)
        options = {"kubeconfig": kubeconfig}
        self.operator: OperatorProcess = stack.enter_context(
            running_operator(server, folder=folder, namespaces=[self.gateway.namespace], options=options)
        )
        self.operator.wait_until_synced(within=WITHIN)
        self.operator.keep_running()
        self.pod: RealPod = node.run_real(self.gateway.namespace, self.gateway.name)[0]
        self.gateway.wait_for(self.gateway.gateway, "Programmed", ("True", "Programmed"), within=WITHIN)
        self._before = self.gateway.uids()
        self.answers: list[int] = []
        """Statuses, one for each request of the developer; 0 where there was no answer."""
        self._over = threading.Event()
        self._asking = threading.Thread(target=self._ask, daemon=True)
        self._asking.start()
        stack.callback(self.hush)

    def begin(self) -> None:
        if self._kind == "refused":
            self._proxy.refuse()
        else:
            self._proxy.hold()

    def change(self) -> None:
        """What people do meanwhile, by another way to the API server."""
        self.gateway.edit(self.gateway.policy, availableModels=["claude-haiku-5-5"])
        self.gateway.rotate(7)
        self.gateway.api.delete(self.gateway.children[MADE_ANEW]).accepted()

    def end(self) -> None:
        if self._kind == "refused":
            self._proxy.accept()
        else:
            self._proxy.resume()

    def wait_until_caught_up(self) -> float:
        """Seconds that it took. Raises `TimeoutError`."""
        began = time.monotonic()
        gateway = self.gateway
        gateway.wait_for_models("claude-haiku-5-5")
        eventually(lambda: gateway.serves_credential(7), within=WITHIN, what="the new credential")
        gateway.wait_for_children(within=WITHIN)

        def programmed() -> bool:
            seen = gateway.condition(gateway.policy, "Programmed")
            return (seen.get("status"), seen.get("observedGeneration")) == ("True", 2)

        eventually(programmed, within=WITHIN, what="the edited policy is programmed")
        return time.monotonic() - began

    @property
    def made_anew(self) -> set[str]:
        """The children that are other objects than before the outage."""
        after = self.gateway.uids()
        return {name for name in after if after[name] != self._before[name]}

    def hush(self) -> None:
        """The developer asks no more."""
        self._over.set()
        self._asking.join()

    def _ask(self) -> None:
        headers = [("x-api-key", key_of(DEVELOPER))]
        while not self._over.wait(ASKED_EVERY):
            try:
                status = fetch(PORT, "GET", "/v1/models", headers=headers, host=self.pod.ip).status
            except (OSError, ClosedEarlyError):
                status = 0
            self.answers.append(status)
