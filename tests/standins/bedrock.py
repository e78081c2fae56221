"""A stand-in for the Claude models of Amazon Bedrock: InvokeModel, its event stream, CountTokens."""

import base64
import json
import re
import ssl
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import unquote

from tests.standins import event_frames, framing, messages
from tests.standins.aws_requests import HEADERS, Credentials
from tests.standins.cloud_requests import members_of, version_problems
from tests.standins.requests_seen import Received, common_problems, unexpected_headers
from tests.standins.upstream import Script, StandInUpstream, Step

REGION = "eu-central-1"
BEARER = "ABSK-bedrock-key-canary-31f0"
REQUEST_ID = "5d1f3c1e-8a0b-4c53-9f3a-2f5f0c9d7e11"
METRICS = {"inputTokenCount": 25, "outputTokenCount": 37, "invocationLatency": 1203, "firstByteLatency": 411}
FOUNDATION_MODELS = (
    "anthropic.claude-opus-5-5",
    "anthropic.claude-sonnet-5-5",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
)
COUNTED_BETAS = {"claude-code-20250219", "context-management-2025-06-27", "oauth-2025-04-20"}

_TARGET = re.compile(r"^/model/([^/?]+)/(invoke|invoke-with-response-stream|count-tokens)$")
_FORWARDED = re.compile(
    r"^(host|content-length|content-type|accept|accept-encoding|user-agent|x-stainless-[a-z0-9-]+|x-app|authorization"
    rf"|{HEADERS}|anthropic-(?!workspace-id$|beta$)[a-z0-9-]+)$"
)
_IN_THE_PATH = ("model", "stream")
_VERSION = re.compile(r"bedrock-\d{4}-\d{2}-\d{2}\Z")


def ids() -> list[tuple[str, str]]:
    return [("x-amzn-requestid", REQUEST_ID)]


def error_answer(status: int, name: str, message: str, *, headers: framing.Headers = ()) -> bytes:
    """An error as AWS tells it: the type in a header, the text in the body."""
    kind = ("x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/")
    body = json.dumps({"message": message}).encode()
    given = [("content-type", "application/json"), *ids(), kind, *framing.pairs(headers)]
    return framing.whole(status, body, given)


def events_of(*content: dict[str, Any], model: str = "claude-sonnet-5-5") -> list[bytes]:
    """What the Messages API would stream, with what Bedrock adds at the end."""
    stop = {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS}
    return [*messages.events(*content, model=model)[:-1], messages.event("message_stop", stop)]


def stream_head() -> bytes:
    fixed = [("content-type", event_frames.MEDIA_TYPE), ("transfer-encoding", "chunked"), *ids()]
    return framing.head(200, [*fixed, ("x-amzn-bedrock-content-type", "application/json")])


def stream(events: Iterable[bytes], *more: bytes) -> list[Step]:
    """A whole stream: frames that carry these server-sent events, then the frames in `more`, a chunk each."""
    frames = [*event_frames.stream(list(events)), *more]
    return [stream_head(), *(framing.chunk(frame) for frame in frames), framing.LAST_CHUNK]


class BedrockStandIn(StandInUpstream):
    """One region. `models`: ids that it knows, `:` and all; `credentials`: what it takes."""

    def __init__(
        self, *, region: str = REGION, tls: ssl.SSLContext | None = None, models: Collection[str] = ()
    ) -> None:
        super().__init__(tls=tls)
        self.region = region
        prefixed = [f"{prefix}.{model}" for prefix in ("eu", "us", "global") for model in FOUNDATION_MODELS]
        self.models = {*FOUNDATION_MODELS, *prefixed, *models}
        self.credentials = self._usual_credentials()

    def _usual_credentials(self) -> Credentials:
        return Credentials(self.region, "bedrock", plain=[("authorization", f"Bearer {BEARER}")])

    def begin_test(self) -> None:
        super().begin_test()
        self.credentials = self._usual_credentials()

    def is_inference(self, request: Received) -> bool:
        return "/invoke" in request.path

    def problems_of(self, request: Received, *, version: str) -> list[str]:
        path = _TARGET.match(request.target)
        if path is None:
            return [f"target {request.target!r}"]
        model, how = path.groups()
        found = common_problems(request, version=version, host=self.authority, streams=_streams(request))
        found += unexpected_headers(request, _FORWARDED) + version_problems(request)
        found += self.credentials.problems(request)
        if request.header("accept") != "application/json":
            found.append(f"accept {request.header('accept')!r}")
        known = FOUNDATION_MODELS if how == "count-tokens" else self.models
        if unquote(model) not in known:
            found.append(f"no model {model!r}")
        if (":" in model) if how == "count-tokens" else ("%3A" in model):
            found.append(f"path spelled {model!r}")
        members, problems = members_of(request)
        found += problems
        if how != "count-tokens":
            return found + _body_problems(members)
        try:
            inner = json.loads(base64.b64decode(members["input"]["invokeModel"]["body"], validate=True))
        except (KeyError, TypeError, ValueError) as error:
            return [*found, f"no body to count: {error!r}"]
        return found + _body_problems(inner) + _count_problems(inner)

    def usual(self, request: Received) -> Script:
        if request.path.endswith("/count-tokens"):
            return [framing.json_answer({"inputTokens": 1190}, headers=ids())]
        model = unquote(request.path.split("/")[2]).rpartition("anthropic.")[2]
        if _streams(request):
            return stream(events_of(model=model))
        answer = json.dumps(messages.message(model=model), ensure_ascii=False).encode()
        return [framing.whole(200, answer, [("content-type", "application/json"), *ids()])]


def counted(request: Received) -> Any:
    """The body whose tokens a request asks to count."""
    return json.loads(base64.b64decode(request.json()["input"]["invokeModel"]["body"]))


def _streams(request: Received) -> bool:
    return request.path.endswith("/invoke-with-response-stream")


def _body_problems(members: dict[str, Any]) -> list[str]:
    found = [f"{name} is in the body" for name in (*_IN_THE_PATH, "tags") if name in members]
    if not _VERSION.match(str(members.get("anthropic_version"))):
        found.append(f"anthropic_version {members.get('anthropic_version')!r}")
    betas = members.get("anthropic_beta", ["one"])
    if not isinstance(betas, list) or not betas or betas != list(dict.fromkeys(name.strip() for name in betas)):
        found.append(f"anthropic_beta {betas!r}")
    elif "" in betas or "request-tags-2026-08-21" in betas:
        found.append(f"anthropic_beta names {betas!r}")
    return found


def _count_problems(members: dict[str, Any]) -> list[str]:
    found = []
    budget = members.get("thinking", {}).get("budget_tokens", 0)
    if not members.get("max_tokens", 0) > budget:
        found.append(f"max_tokens {members.get('max_tokens')!r} with a budget of {budget}")
    if members.get("tools") == []:
        found.append("tools without a tool")
    if not set(members.get("anthropic_beta", ())) <= COUNTED_BETAS:
        found.append(f"anthropic_beta {members['anthropic_beta']!r} of a count")
    return found
