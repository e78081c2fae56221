"""A stand-in for Claude in Microsoft Foundry."""

import re
import ssl
from collections.abc import Collection
from typing import Any

from tests.standins import framing, messages
from tests.standins.cloud_requests import FORWARDED, members_of, version_problems
from tests.standins.requests_seen import Expected, Received, common_problems, unexpected_headers
from tests.standins.upstream import Script, StandInUpstream, stream

API_KEY = "foundry-key-canary-77c0d1"
DEPLOYMENTS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5")
_TARGET = re.compile(r"^/anthropic/v1/messages(/count_tokens)?(\?[!-~]*)?$")


def error_answer(status: int, code: str, message: str, *, headers: framing.Headers = ()) -> bytes:
    """An error of the platform before Claude, in its own form."""
    value = {"error": {"code": code, "message": message}}
    return framing.json_answer(value, status=status, headers=[("x-ms-region", "Sweden Central"), *headers])


class FoundryStandIn(StandInUpstream):
    """A resource with some deployments. It wants one of `expected`."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, deployments: Collection[str] = DEPLOYMENTS) -> None:
        super().__init__(tls=tls)
        self.deployments = deployments
        self.expected = [Expected.api_key(API_KEY)]

    @property
    def base_url(self) -> str:
        return f"{self.url}/anthropic"

    def begin_test(self) -> None:
        super().begin_test()
        self.expected = [Expected.api_key(API_KEY)]

    def is_inference(self, request: Received) -> bool:
        return request.path == "/anthropic/v1/messages"

    def problems_of(self, request: Received, *, version: str) -> list[str]:
        found = common_problems(request, version=version, host=self.authority, streams=request.streams)
        found += unexpected_headers(request, FORWARDED) + version_problems(request)
        if not _TARGET.match(request.target):
            found.append(f"target {request.target!r}")
        credentials = [(name, value) for name in ("x-api-key", "authorization") for value in request.all(name)]
        if not any(credentials == [(one.header, one.value)] for one in self.expected):
            found.append(f"credential headers {credentials!r}")
        members, problems = members_of(request)
        return found + problems + self._body_problems(members)

    def _body_problems(self, members: dict[str, Any]) -> list[str]:
        found = []
        if members.get("model") not in self.deployments:
            found.append(f"no deployment {members.get('model')!r}")
        if "anthropic_version" in members:
            found.append("anthropic_version is in the body")
        return found

    def usual(self, request: Received) -> Script:
        if request.path.endswith("/count_tokens"):
            return [framing.json_answer({"input_tokens": 1190})]
        ids = [("apim-request-id", "4c1f"), ("x-ms-region", "Sweden Central")]
        model = request.json().get("model", "")
        if request.streams:
            return stream(messages.events(model=model), headers=ids)
        return [framing.json_answer(messages.message(model=model), headers=ids)]
