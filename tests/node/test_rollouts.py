"""New pods take the place of old ones while developers work: no stream is cut, no connection refused."""

from collections.abc import Callable

import pytest
from tests.node.gateways import Gateways, NodeGateway
from tests.node.kubernetes import Kube
from tests.node.pod_changes import change_image, identities, restart, wait_ended, wait_replaced
from tests.node.traffic import NewConnections, OpenStreams, counts, slow_streams
from tests.standins.anthropic_upstream import AnthropicUpstream

PODS = 3
STREAMS = 60


@pytest.mark.timeout(240)
@pytest.mark.parametrize("change", [restart, change_image])
def test_a_rollout_cuts_no_stream(
    kube: Kube, gateways: Gateways, upstream: AnthropicUpstream, change: Callable[[Kube, NodeGateway], None]
) -> None:
    gateway = gateways(replicas=PODS, drain="60s")
    before = identities(gateway.wait_pods(PODS))
    upstream.respond = slow_streams(seconds=8.0)
    with OpenStreams(gateway, count=STREAMS) as streams, NewConnections(gateway, per_second=20) as connections:
        streams.wait_open()
        change(kube, gateway)
        wait_replaced(gateway, before)
        wait_ended(kube, gateway, before)
    assert counts(streams, connections) == {}
    assert streams.ended >= STREAMS
    assert connections.answered > 0
