"""Amazon Bedrock: Claude's own request format through InvokeModel, and its event stream. Never Converse, which cannot
say all that the Messages API can."""

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final
from urllib.parse import quote

import msgspec

from gateway_config.contract import Upstream
from gateway_proxy import errors, failure_answers
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.credentials.sigv4 import FrozenAWS
from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.providers import bedrock_body
from gateway_proxy.providers.aws import AWSUpstream
from gateway_proxy.providers.bedrock_stream import BedrockStream
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.cloud_errors import told
from gateway_proxy.providers.messages_api import FixedLine, HeaderChoice
from gateway_proxy.upstream.errors import ProtocolError
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.pool import Pool

log = logging.getLogger(__name__)

UNCOUNTED_SECONDS: Final = 600.0
"""How long a model's tokens are not asked for after AWS would not count them: it counts with some models only."""

_ACCEPT: Final = (b"accept", b"application/json")
_MEDIA_TYPE: Final = b"application/vnd.amazon.eventstream"
_OF_THE_UPSTREAM: Final = frozenset({408, 424})
"""ModelTimeoutException, ModelErrorException."""
_NOT_COUNTING: Final = frozenset({403, 404, 501})
"""The right is missing, or the model."""
_SAYS_SO: Final = re.compile(
    r"\bcount(?:ing)?[ _-]?tokens\b|\boperation\b|\bmodel identifier\b|\bon-demand throughput\b"
    r"|\bmodel\b.{0,40}\bsupport",
    re.IGNORECASE,
)
"""In the words of a 400, where others speak of the request that was to be counted."""
_QUOTA: Final = "servicequotaexceededexception"
"""Comes with status 400."""


class _Count(msgspec.Struct, rename="camel"):
    input_tokens: int


_count_of = msgspec.json.Decoder(_Count).decode


class BedrockUpstream(AWSUpstream):
    """One binding of type Bedrock."""

    __slots__ = ("_clock", "_targets", "_uncounted")

    # Betas go into the body; the types are what InvokeModel takes and gives.
    choice: ClassVar[HeaderChoice] = HeaderChoice(b"anthropic-workspace-id", b"accept", b"content-type")
    packs = False
    service = "bedrock"

    def __init__(
        self,
        upstream: Upstream,
        pool: Pool,
        credential: FixedLine | Renewing[FrozenAWS],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(upstream, pool, credential, _ACCEPT)
        self._targets: dict[tuple[str, str], bytes] = {}
        """Of the models that it has, and what may be done with them."""
        self._clock = clock
        self._uncounted: dict[str, float] = {}
        """Upstream's id of a model → when its tokens may be asked for again."""

    def target(self, call: Call, model: str) -> bytes:
        """Ids keep their colons, as Anthropic's clients send them; AWS's own escape them where tokens are counted."""
        how = "count-tokens" if call.counts else "invoke-with-response-stream" if call.stream else "invoke"
        target = self._targets.get((model, how))
        if target is None:
            name = quote(foundation_model(model) or model, safe="") if call.counts else quote(model, safe=":")
            target = self._targets[model, how] = f"/model/{name}/{how}".encode()
        return target

    def body(self, call: Call, model: str) -> bytes:
        edited = bedrock_body.counted if call.counts else bedrock_body.invoked
        return edited(call.members, call.betas)

    def betas(self, call: Call) -> BetaValues:
        return ()

    def counts(self, model: str) -> bool:
        until = self._uncounted.get(model)
        return foundation_model(model) is not None and (until is None or until <= self._clock())

    def fails_over(self, call: Call, head: ResponseHead, body: bytes | None) -> bool:
        if call.counts or head.status in _OF_THE_UPSTREAM or super().fails_over(call, head, body):
            return True
        return head.status == 400 and told(head, body or b"").code == _QUOTA

    def translated(self, call: Call, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
        answer = super().translated(call, head, body)
        if not call.counts:
            return answer
        self._uncounting(call, head, body)
        error = failure_answers.tokens_not_counted()
        headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
        return ResponseHead.answered(error.status, *headers, *_ids(head)), errors.envelope(error, call.request_id)

    def translated_count(self, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
        try:
            count = _count_of(body).input_tokens
        except (ValueError, RecursionError):
            return head, body
        return ResponseHead.answered(200, *_ids(head)), b'{"input_tokens":%d}' % count

    def _watch(self, call: Call, exchange: Exchange, head: ResponseHead) -> None:
        if not call.stream:
            super()._watch(call, exchange, head)
            return
        media_type = (head.get(b"content-type") or b"").lower()
        if not media_type.startswith(_MEDIA_TYPE) or head.get(b"content-encoding") not in (None, b"identity"):
            # Whatever it is, somebody on the way has answered in Bedrock's place.
            exchange.abort()
            raise ProtocolError("a stream was asked for, and what came is no event stream of AWS")
        events = head.with_headers((b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"))
        exchange.decode_with(BedrockStream(head, partial(self.translated, call)), events)

    def _uncounting(self, call: Call, head: ResponseHead, body: bytes) -> None:
        """Remembers a refusal that the next count would meet as well, and not one that this request alone meets."""
        if head.status not in _NOT_COUNTING and not (head.status == 400 and _SAYS_SO.search(told(head, body).message)):
            return
        model = self.models[call.canonical]
        self._uncounted[model] = self._clock() + UNCOUNTED_SECONDS
        log.warning(
            "upstream %s: it does not count tokens with %s (status %d): not asked again for %.0f minutes",
            self.name,
            model,
            head.status,
            UNCOUNTED_SECONDS / 60,
            extra={"event": "upstream.not_counting", "upstream": self.name},
        )


def foundation_model(model: str) -> str | None:
    """The foundation model's own id, which alone tokens are counted by: without the prefix of a region, out of the ARN
    of an inference profile that names it. None for an ARN that names none."""
    name = model.rpartition("/")[2]
    start = name.find("anthropic.")
    return name[start:] if start == 0 or (start > 0 and name[start - 1] == ".") else None


def _ids(head: ResponseHead) -> list[tuple[bytes, bytes]]:
    value = head.get(b"x-amzn-requestid")
    return [] if value is None else [(b"x-amzn-requestid", value)]
