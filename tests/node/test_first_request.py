"""The chart, three resources and a key: a developer's request is answered through the Service."""

from tests.node.gateways import NodeGateway
from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream


def test_a_request_through_the_service_is_answered(gateway: NodeGateway, upstream: AnthropicUpstream) -> None:
    answer = gateway.ask()
    assert answer.status == 200, answer
    assert answer.json()["content"] == messages.message()["content"]
    assert upstream.last.path == "/v1/messages"


def test_a_stream_through_the_service_comes_whole(gateway: NodeGateway) -> None:
    stream = gateway.begin()
    assert stream.head().status == 200
    assert b"".join(stream.pieces()) == b"".join(messages.events())
