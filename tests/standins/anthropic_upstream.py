"""A stand-in for the Anthropic API."""

import ssl
from collections.abc import Iterable

from tests.standins import framing, messages
from tests.standins.requests_seen import Expected, Received, problems_of
from tests.standins.upstream import DEADLINE, End, Gate, Script, StandInUpstream, Step, stream

__all__ = ["API_KEY", "DEADLINE", "AnthropicUpstream", "End", "Gate", "Script", "Step", "stream", "usual"]

API_KEY = "sk-ant-api03-upstream-canary-5f1c"


def usual(request: Received) -> Script:
    """What the real API would answer, in short."""
    if request.path.endswith("/count_tokens"):
        return [framing.json_answer({"input_tokens": 1190}, headers=[("x-counted-by", "upstream")])]
    model = request.json().get("model", "")
    if request.streams:
        return stream(messages.events(model=model))
    return [framing.json_answer(messages.message(model=model))]


class AnthropicUpstream(StandInUpstream):
    """It wants one of `expected`, which a test changes that gives the gateway another credential."""

    def __init__(
        self,
        *,
        credentials: Iterable[Expected] = (Expected.api_key(API_KEY),),
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        base_path: str = "",
    ) -> None:
        """`base_path`: of its base URL, where it stands behind somebody else's gateway."""
        super().__init__(tls=tls, host=host)
        self.base_path = base_path
        self._credentials = list(credentials)
        self.expected = list(credentials)

    @property
    def url(self) -> str:
        return super().url + self.base_path

    def problems_of(self, request: Received, *, version: str) -> list[str]:
        return problems_of(
            request, version=version, expected=self.expected, host=self.authority, base_path=self.base_path
        )

    def usual(self, request: Received) -> Script:
        return usual(request)

    def is_inference(self, request: Received) -> bool:
        return request.path == f"{self.base_path}/v1/messages"

    def begin_test(self) -> None:
        super().begin_test()
        self.expected = list(self._credentials)
