"""A stand-in for Claude in Google Cloud Vertex AI."""

import re
import ssl
from collections.abc import Container
from typing import Any

from tests.standins import framing, messages
from tests.standins.cloud_requests import FORWARDED, members_of, version_problems
from tests.standins.requests_seen import Received, common_problems, unexpected_headers
from tests.standins.upstream import Script, StandInUpstream, stream

PROJECT = "corp-ml-canary-4471"
REGION = "europe-west1"
TOKEN = "ya29.google-token-canary-51be"
MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5@20251001")
_TARGET = re.compile(
    r"^/v1/projects/(?P<project>[^/?#]+)/locations/(?P<region>[^/?#]+)/publishers/anthropic/models/"
    r"(?P<model>[A-Za-z0-9@.-]+):(?P<method>rawPredict|streamRawPredict)$"
)
_BETA_LIST = re.compile(r"[!-+\--~]+(,[!-+\--~]+)*\Z")
COUNTER = "count-tokens"
ONCE = ("authorization", "anthropic-beta", "anthropic-version")


def error_answer(status: int, state: str, message: str, *, array: bool = False) -> bytes:
    """An error of Google's API, in its own form; streaming methods answer with an array of it."""
    value: Any = {"error": {"code": status, "message": message, "status": state}}
    return framing.json_answer(
        [value] if array else value, status=status, headers=[("server", "scaffolding on HTTPServer2")]
    )


class VertexAIStandIn(StandInUpstream):
    """One project in one region with some models. It takes the tokens in `tokens`."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.tokens: Container[str] = {TOKEN}
        self.project, self.region = PROJECT, REGION

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def begin_test(self) -> None:
        super().begin_test()
        self.tokens = {TOKEN}
        self.project, self.region = PROJECT, REGION

    def is_inference(self, request: Received) -> bool:
        asked = _TARGET.match(request.target)
        return asked is not None and asked["model"] != COUNTER

    def problems_of(self, request: Received, *, version: str) -> list[str]:
        asked = _TARGET.match(request.target)
        streams = asked is not None and asked["method"] == "streamRawPredict"
        found = common_problems(request, version=version, host=self.authority, streams=streams)
        found += unexpected_headers(request, FORWARDED) + version_problems(request) + self._header_problems(request)
        members, problems = members_of(request)
        found += problems
        if asked is None:
            return [*found, f"target {request.target!r}"]
        if (asked["project"], asked["region"]) != (self.project, self.region):
            found.append(f"target {request.target!r} is not in {self.project} and {self.region}")
        return found + _body_problems(members, asked["model"], streams=streams)

    def _header_problems(self, request: Received) -> list[str]:
        found = [f"{len(request.all(name))} {name} headers" for name in ONCE if len(request.all(name)) > 1]
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            found.append(f"authorization {request.header('authorization')!r}")
        if request.header("x-api-key") is not None:
            found.append("an x-api-key")
        betas = request.header("anthropic-beta")
        if betas is not None and not _BETA_LIST.match(betas):
            found.append(f"anthropic-beta {betas!r}")
        if betas is not None and any(name.startswith("request-tags-") for name in betas.split(",")):
            found.append("the beta of tags")
        return found

    def usual(self, request: Received) -> Script:
        asked = _TARGET.match(request.target)
        if asked is None:
            return [error_answer(404, "NOT_FOUND", f"no {request.target}")]
        if asked["model"] == COUNTER:
            return [framing.json_answer({"input_tokens": 1190})]
        model = asked["model"].replace("@", "-")
        if asked["method"] == "streamRawPredict":
            return stream(messages.events(model=model))
        return [framing.json_answer(messages.message(model=model))]


def _body_problems(members: dict[str, Any], model: str, *, streams: bool) -> list[str]:
    found = []
    if not str(members.get("anthropic_version", "")).strip():
        found.append("no anthropic_version in the body")
    if "tags" in members:
        found.append("tags in the body")
    if model == COUNTER:
        if members.get("model") not in MODELS:
            found.append(f"tokens of the unknown model {members.get('model')!r}")
        return found
    if model not in MODELS:
        found.append(f"no model {model!r}")
    if "model" in members:
        found.append("the body names a model beside the path")
    if bool(members.get("stream")) != streams:
        found.append(f"stream is {members.get('stream')!r} in a body for the other method")
    return found
