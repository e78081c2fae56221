"""Gateways of one name in two namespaces never meet: each has its own children, keys, policies and fate."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.api_server import ApiServer
from tests.control_plane.examples import Example, as_operator
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.control_plane.pods import kubelet

from gateway_operator.kube.resources import SECRETS
from gateway_operator.names import config_secret, signing_secret


def test_two_gateways_of_one_name_never_meet(control_plane: ApiServer, tmp_path: Path) -> None:
    api = control_plane.client
    first, second = (Example(api, new_namespace(api, "twin"), "corp").create() for _ in range(2))
    namespaces = [first.namespace, second.namespace]
    with (
        kubelet(control_plane, folder=tmp_path) as node,
        running_operator(as_operator(control_plane), folder=tmp_path, namespaces=namespaces) as operator,
    ):
        operator.wait_until_synced()
        for each in (first, second):
            each.wait_for_children()
        node.run(first.namespace, "corp", count=1)
        first.wait_for(first.policy, "Programmed", ("True", "Programmed"))
        second.wait_for(second.policy, "Programmed", ("False", "NoReadyPods"))
        records = [api.read(each.child(SECRETS, signing_secret("corp")))["data"] for each in (first, second)]
        assert records[0] != records[1]

        # a policy that names the other's gateway without being let in
        stranger = second.policy | {
            "metadata": {"namespace": second.namespace, "name": "stranger"},
            "spec": {**second.policy["spec"], "gatewayRefs": [{"name": "corp", "namespace": first.namespace}]},
        }
        configuration = first.child(SECRETS, config_secret("corp"))
        before = api.read(configuration)["data"]
        api.create(stranger).accepted()
        second.wait_for(stranger, "Accepted", ("False", "NotAllowedByGateway"))
        assert api.read(configuration)["data"] == before

        # the end of one is nothing to the other
        kept = second.uids()
        api.delete(first.gateway).accepted()
        first.wait_for(first.policy, "ResolvedRefs", ("False", "GatewayNotFound"))
        assert second.uids() == kept
        assert second.conditions(second.gateway)["Accepted"] == ("True", "Accepted")
