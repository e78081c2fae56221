"""Fewer pods: those that go end their streams first."""

import pytest
from tests.node.gateways import Gateways
from tests.node.kubernetes import Kube
from tests.node.pod_changes import identities, wait_ended
from tests.node.traffic import NewConnections, OpenStreams, counts, slow_streams
from tests.standins.anthropic_upstream import AnthropicUpstream

STREAMS = 60


@pytest.mark.timeout(240)
def test_scaling_down_cuts_no_stream(kube: Kube, gateways: Gateways, upstream: AnthropicUpstream) -> None:
    gateway = gateways(replicas=3, drain="60s")
    before = identities(gateway.wait_pods(3))
    upstream.respond = slow_streams(seconds=8.0)
    with OpenStreams(gateway, count=STREAMS) as streams, NewConnections(gateway, per_second=20) as connections:
        streams.wait_open()
        kube.merge(gateway.deployment(), {"spec": {"replicas": 1}})
        stays = identities(gateway.wait_pods(1))
        wait_ended(kube, gateway, before - stays)
    assert counts(streams, connections) == {}
    assert streams.ended >= STREAMS
    assert connections.answered > 0
