"""A node's drain takes the pods through the eviction API: one at a time, and no stream is cut."""

import pytest
from tests.node.gateways import Gateways
from tests.node.kubernetes import Kube
from tests.node.pod_changes import evict, identities, wait_ended, wait_evicted
from tests.node.traffic import NewConnections, OpenStreams, counts, slow_streams
from tests.standins.anthropic_upstream import AnthropicUpstream

PODS = 3
STREAMS = 60


@pytest.mark.timeout(240)
def test_evictions_of_all_pods_cut_no_stream(kube: Kube, gateways: Gateways, upstream: AnthropicUpstream) -> None:
    gateway = gateways(replicas=PODS, drain="60s")
    pods = gateway.wait_pods(PODS)
    upstream.respond = slow_streams(seconds=8.0)
    with OpenStreams(gateway, count=STREAMS) as streams, NewConnections(gateway, per_second=20) as connections:
        streams.wait_open()
        for pod in pods:
            wait_evicted(kube, pod)
            gateway.wait_pods(PODS)
        wait_ended(kube, gateway, identities(pods))
    assert counts(streams, connections) == {}
    assert streams.ended >= STREAMS
    assert connections.answered > 0


def test_a_second_eviction_is_refused_while_one_pod_is_down(kube: Kube, gateways: Gateways) -> None:
    gateway = gateways(replicas=2)
    first, second = gateway.wait_pods(2)
    wait_evicted(kube, first)
    refused = evict(kube, second)
    assert refused.status == 429, refused
    assert "disruption budget" in str(refused.refusal)
    gateway.wait_pods(2)
    wait_evicted(kube, second)
