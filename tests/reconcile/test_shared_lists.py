"""A resync reconciles from lists that it made once: little else is read, and nothing is written."""

from __future__ import annotations

from tests.reconcile import world

from gateway_operator.compiler import ObjectRef
from gateway_operator.handlers import children
from gateway_operator.installed import KINDS
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.resources import SECRETS
from gateway_operator.shared_lists import SharedReader


async def test_a_resync_reads_little_and_writes_nothing(
    operator: world.Operator, client: KubeClient, smallest: str
) -> None:
    first = await operator.reconcile(smallest)
    operator.client.reads.clear()
    reader = SharedReader(operator.client, scopes=(None,))
    for kind in KINDS:
        await reader.load(kind)
    for kind in children.KINDS:
        await reader.load(kind, labels="app.kubernetes.io/managed-by=claude-gateway-operator")
    operator.client.reads.clear()
    operator.client.writes.clear()
    await operator.reconciler.reconcile(ObjectRef("GatewayDeployment", smallest, "corp"), reader)
    assert operator.client.writes == []
    assert operator.outcomes[first.gateway] == first
    kinds = {read.split()[1] for read in operator.client.reads}
    assert kinds == {SECRETS.kind}, "Secrets are never held for longer than one gateway's reconcile"
