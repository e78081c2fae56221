"""An operator with nothing to do writes nothing: looking at everything again, however often, leaves no trace."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.api_client import eventually
from tests.cluster.api_server import OPERATOR, ApiServer
from tests.cluster.audit_log import counted
from tests.control_plane.examples import WITHIN, Example, as_operator
from tests.control_plane.operator_process import OperatorProcess, new_namespace, running_operator
from tests.control_plane.pods import kubelet

from gateway_operator.kube.resources import DEPLOYMENTS

ROUNDS = 3


def _rounds(operator: OperatorProcess) -> float:
    return operator.metric("claude_gateway_operator_resyncs_total", result="success") or 0


def test_three_resyncs_of_gateways_at_rest_write_nothing(control_plane: ApiServer, tmp_path: Path) -> None:
    api = control_plane.client
    examples = [Example(api, new_namespace(api, "idle"), name).create() for name in ("corp", "labs", "west")]
    first, scaled, broken = examples
    autoscaling = {"minReplicas": 2, "maxReplicas": 5, "cpuUtilization": 60}
    api.apply(scaled.gateway | {"spec": scaled.gateway["spec"] | {"autoscaling": autoscaling}}).accepted()
    api.delete(broken.provider_key).accepted()
    namespaces = [each.namespace for each in examples]
    with (
        kubelet(control_plane, folder=tmp_path) as node,
        running_operator(
            as_operator(control_plane), folder=tmp_path, namespaces=namespaces, options={"resync-seconds": 1}
        ) as operator,
    ):
        operator.wait_until_synced()
        for each in examples:
            each.wait_for_children()
        pods = [pod for each in examples for pod in node.run(each.namespace, each.name, count=2)]
        for each in (first, scaled):
            for manifest in (each.binding, each.policy):
                each.wait_for(manifest, "Programmed", ("True", "Programmed"))
        broken.wait_for(broken.binding, "ResolvedRefs", ("False", "SecretNotFound"))

        log = control_plane.audit_log
        log.skip()

        def quiet() -> bool:  # what came before has come to its end: Deployments make pods, events follow
            begun = _rounds(operator)
            eventually(lambda: _rounds(operator) > begun, within=WITHIN, what="a resync")
            return not log.writes(user=OPERATOR)

        eventually(quiet, within=WITHIN, what="a resync without a write")
        begun = _rounds(operator)
        nudges = [list(pod.nudges) for pod in pods]
        eventually(lambda: _rounds(operator) >= begun + ROUNDS, within=WITHIN, what="three more resyncs")

        assert counted(log.writes(user=OPERATOR)) == {}
        assert [list(pod.nudges) for pod in pods] == nudges
        deployment = api.read(first.child(DEPLOYMENTS))
        assert deployment["metadata"]["generation"] == 1, "it was never applied twice"
