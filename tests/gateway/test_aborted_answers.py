"""What clients leave behind that go in the middle of a large answer."""

from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway, eventually

STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
ANSWERS = 200
ANSWER_BYTES = 3 * 1024 * 1024
GROWTH_LIMIT = 100 * 1024 * 1024
"""Far below the 600 MB of all answers together; what an allocator keeps of a few at a time is below it."""


def test_their_memory_is_given_back(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    text = framing.chunk(messages.event("content_block_delta", {"pad": "x" * (64 * 1024)}))
    count = ANSWER_BYTES // len(text)
    upstream.respond = lambda request: [framing.stream_head(), *[text] * count, framing.LAST_CHUNK]

    def leave_one() -> None:
        client = gateway.begin(STREAMED)
        assert client.head().status == 200
        client.close()

    for _ in range(10):
        leave_one()
    before = gateway.resident_bytes()
    for _ in range(ANSWERS):
        leave_one()
    eventually(lambda: gateway.status()["open_streams"] == 0, what="every stream ended")
    assert gateway.resident_bytes() - before < GROWTH_LIMIT
    assert gateway.messages(b'{"model":"claude-sonnet-5-5"}').status == 200
