"""A stand-in for Claude Platform on AWS: Anthropic's own API, behind AWS's signatures and a workspace."""

import re
import ssl

from tests.standins import framing, messages
from tests.standins.aws_requests import HEADERS, Credentials
from tests.standins.cloud_requests import members_of, version_problems
from tests.standins.requests_seen import Received, common_problems, unexpected_headers
from tests.standins.upstream import Script, StandInUpstream, stream

REGION = "us-west-2"
WORKSPACE = "wrkspc_01StandInCanary"
API_KEY = "sk-ant-aws-canary-c01d"
REQUEST_ID = "0c1d2e3f-aaaa-4bbb-8ccc-123456789abc"
_TARGET = re.compile(r"^/v1/messages(/count_tokens)?(\?[!-~]*)?$")
_FORWARDED = re.compile(
    r"^(host|content-length|content-type|accept|accept-encoding|user-agent|x-stainless-[a-z0-9-]+|x-app|authorization"
    rf"|x-api-key|{HEADERS}|anthropic-[a-z0-9-]+)$"
)


def ids() -> list[tuple[str, str]]:
    return [("x-amzn-requestid", REQUEST_ID)]


class ClaudePlatformAWSStandIn(StandInUpstream):
    """One region and one workspace. `credentials`: what it takes."""

    def __init__(self, *, region: str = REGION, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.region = region
        self.credentials = self._usual_credentials()

    def _usual_credentials(self) -> Credentials:
        return Credentials(self.region, "aws-external-anthropic", plain=[("x-api-key", API_KEY)])

    def begin_test(self) -> None:
        super().begin_test()
        self.credentials = self._usual_credentials()

    def is_inference(self, request: Received) -> bool:
        return request.path == "/v1/messages"

    def problems_of(self, request: Received, *, version: str) -> list[str]:
        found = common_problems(request, version=version, host=self.authority, streams=request.streams)
        found += (
            unexpected_headers(request, _FORWARDED) + version_problems(request) + self.credentials.problems(request)
        )
        if not _TARGET.match(request.target):
            found.append(f"target {request.target!r}")
        if request.all("anthropic-workspace-id") != [WORKSPACE]:
            found.append(f"anthropic-workspace-id headers {request.all('anthropic-workspace-id')!r}")
        members, problems = members_of(request)
        if "anthropic_version" in members:
            found.append("anthropic_version is in the body")
        return found + problems

    def usual(self, request: Received) -> Script:
        if request.path.endswith("/count_tokens"):
            return [framing.json_answer({"input_tokens": 1190}, headers=ids())]
        model = request.json().get("model", "")
        if request.streams:
            return stream(messages.events(model=model), headers=ids())
        return [framing.json_answer(messages.message(model=model), headers=ids())]
