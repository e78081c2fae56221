"""What the two providers on AWS share: requests that are signed, or carry a key as it is."""

import re
from functools import lru_cache
from typing import ClassVar, Final
from urllib.parse import quote, unquote_to_bytes

from gateway_config.contract import Upstream
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.credentials.sigv4 import FrozenAWS, Signer
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.cloud_errors import told
from gateway_proxy.providers.cloud_messages_api import CloudMessagesAPIUpstream
from gateway_proxy.providers.messages_api import FixedLine
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.pool import Pool

_JSON: Final = (b"content-type", b"application/json")
"""Sent by the gateway itself: a client's own may hold what cannot be signed."""
_REFUSALS: Final = frozenset(
    {
        "accessdeniedexception",
        "expiredtoken",
        "expiredtokenexception",
        "incompletesignature",
        "incompletesignatureexception",
        "invalidclienttokenid",
        "invalidsignatureexception",
        "notauthorized",
        "optinrequired",
        "requestexpired",
        "unrecognizedclientexception",
    }
)
"""What AWS says of the gateway's credential, with status 400 too (Bedrock user guide, "Troubleshooting Amazon Bedrock
API Error Codes")."""
_PLAIN: Final = re.compile(rb"(?:[A-Za-z0-9._~-]+=[A-Za-z0-9._~-]*)(?:&[A-Za-z0-9._~-]+=[A-Za-z0-9._~-]*)*")


class AWSUpstream(CloudMessagesAPIUpstream):
    """One binding. `choice` leaves behind what the gateway sends itself."""

    __slots__ = ("_base_url", "_own", "_own_lines", "_region", "_signer")

    service: ClassVar[str]
    """The name that signatures are for."""

    def __init__(
        self,
        upstream: Upstream,
        pool: Pool,
        credential: FixedLine | Renewing[FrozenAWS],
        *own: tuple[bytes, bytes],
    ) -> None:
        """`own`: headers that the gateway sends itself. They are what is signed, beside the host and AWS's own headers.
        What clients send stays unsigned, so that nothing on the way that writes it in another form, as forward proxies
        do, breaks the signature."""
        super().__init__(upstream, pool, credential)
        self._base_url = upstream.base_url.rstrip("/")
        self._region = upstream.region
        self._signer: Signer | None = None
        self._own = (_JSON, *own)
        self._own_lines = [name + b": " + value for name, value in self._own]

    def target(self, call: Call, model: str) -> bytes:
        """Path, and perhaps a query, behind the base URL."""
        return canonical(call.target)

    def prefix(self, call: Call, model: str) -> bytes:
        return self.prefix_of(self.target(call, model))

    def lines(self, call: Call) -> list[bytes]:
        lines = super().lines(call)
        lines += self._own_lines
        return lines

    def authorization(self, call: Call, model: str, body: bytes) -> bytes | None:
        current = self.credential.current
        if not isinstance(current, FrozenAWS):
            return current
        signer = self._signer
        if signer is None or signer.keys is not current:
            signer = self._signer = Signer(
                current, self._base_url, self._own, region=self._region, service=self.service
            )
        return signer.lines(self.target(call, model), body)

    def fails_over(self, call: Call, head: ResponseHead, body: bytes | None) -> bool:
        return super().fails_over(call, head, body) or (
            head.status == 400 and told(head, body or b"").code in _REFUSALS
        )

    def translated(self, call: Call, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
        if head.status == 400 and told(head, body).code in _REFUSALS:
            head = ResponseHead.answered(403, *head.headers)
        return super().translated(call, head, body)


@lru_cache(maxsize=64)
def canonical(target: bytes) -> bytes:
    """The target with its query spelled as AWS does before it compares signatures: every name and value decoded and
    encoded again (IAM user guide, "Create a signed AWS API request"). Signed in another spelling it would be refused,
    and the refusal held against the upstream."""
    path, _, query = target.partition(b"?")
    if _PLAIN.fullmatch(query):
        return target
    pairs = [pair.partition(b"=") for pair in query.split(b"&") if pair]
    spelled = "&".join([f"{_spelled(name)}={_spelled(value)}" for name, _, value in pairs])
    return path + b"?" + spelled.encode() if spelled else path


def _spelled(text: bytes) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")
