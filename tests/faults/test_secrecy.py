"""After everything that a credential can go through, bad paths included, its value is in Secrets and nowhere else.

The same search is made at the end of every run of tests, of all that their operators said and wrote.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.cluster.canaries import leaks
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.control_plane.pods import kubelet
from tests.faults.scenery import CANARY, MODELS, WITHIN, Gateway, credential
from tests.faults.storms import BROKEN, CONFLICT, Asked, Spoiled, storm_before

BAD = (
    f"{credential(1)} {CANARY}",
    f"{credential(1)}\r\nX-Evil: {CANARY}",
    f"{credential(1)}\0",
    json.dumps({"private_key": credential(1), "client_email": CANARY}),
    CANARY * 5000,
)


@pytest.mark.timeout(240)
def test_a_busy_day_tells_no_value(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    namespace = new_namespace(api)
    gateway = Gateway(api, namespace).create()
    with (
        kubelet(api_server, folder=tmp_path) as node,
        storm_before(api_server, folder=tmp_path) as storm,
    ):
        options = {"kubeconfig": storm.kubeconfig, "log-level": "debug", "resync-seconds": 2}
        with running_operator(api_server, folder=tmp_path, namespaces=[namespace], options=options) as operator:
            operator.wait_until_synced(within=WITHIN)
            operator.keep_running()
            pod = node.run_real(namespace, gateway.name)[0]
            gateway.wait_for(gateway.gateway, "Programmed", ("True", "Programmed"), within=WITHIN)

            for value in BAD:
                data = {"api-key": base64.b64encode(value.encode()).decode()}
                gateway.patch(gateway.provider_key, {"data": data})
                gateway.wait_for_condition(gateway.binding, "ResolvedRefs", "SecretInvalid")
            gateway.rotate(2)
            eventually(lambda: gateway.serves_credential(2), within=WITHIN, what="a good one again")

            def weather(asked: Asked) -> Spoiled | None:
                if "lease" in asked.resource or not storm.chance(0.3):
                    return None
                return CONFLICT if asked.method == "PATCH" else BROKEN

            storm.weather = weather
            for number in range(3, 6):
                gateway.rotate(number)
                gateway.edit(gateway.policy, availableModels=[MODELS[number % 3]])
                gateway.wait_for_models(MODELS[number % 3])
            storm.weather = lambda _: None
            gateway.patch(gateway.signing, {"data": {"state": base64.b64encode(b"{").decode()}})
            gateway.wait_for_condition(gateway.gateway, "Accepted", "SigningKeysInvalid")
            token = gateway.api.read(gateway.signing)["data"]["admin-token"]
            gateway.patch(gateway.signing, {"data": {"admin-token": base64.b64encode(b"\xff").decode()}})
            gateway.patch(gateway.config, {"data": {"part-0": token}})
            gateway.patch(gateway.credentials, {"data": {"credentials.json": token}})
            pod.restart()
            gateway.api.delete(gateway.signing).accepted()
            gateway.wait_until_sound()
            operator.kill()
            operator.start()
            operator.wait_until_synced(within=WITHIN)
        proxy = pod.log.read_text()
        assert CANARY not in proxy
        assert credential(2) not in proxy
    assert leaks(api, folder=tmp_path) == []


def test_the_search_finds_what_is_told(api: ApiClient, tmp_path: Path) -> None:
    namespace = new_namespace(api)
    logs = [tmp_path / "operator-plain.log", tmp_path / "operator-encoded.log"]
    values = (credential(), base64.b64encode(b"  " + credential().encode()).decode())
    for log, value in zip(logs, values, strict=True):
        log.write_text(f"all well\nthe key is {value}\n")
    metadata = {"namespace": namespace, "name": "told", "annotations": {"note": credential()}}
    told = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    api.create(told).accepted()
    found = leaks(api, folder=tmp_path)
    api.delete(told).accepted()
    for log in logs:
        log.unlink()  # or the search at the end of the run finds it too
    assert len(found) == 3
    assert not any(CANARY in where for where in found)
