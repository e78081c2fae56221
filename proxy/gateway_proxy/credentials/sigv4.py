"""Requests to AWS are signed (Signature Version 4) over the bytes that are sent.

botocore's signer says what of a request is signed, and in which form. It does so once for all requests that differ in
their bodies and moments alone, which are put in afterwards: that takes an eighth of the time of signing 1 KB.
"""

import hmac
import secrets
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple


class FrozenAWS(NamedTuple):
    """What a request is signed with."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"FrozenAWS({self.access_key_id})"


_UNSIGNED: Final = frozenset(
    {b"user-agent", b"accept-encoding", b"content-length", b"connection", b"expect", b"x-amzn-trace-id"}
)
"""What hops on the way may change; Anthropic's own gateway leaves the same ones out (November 2026)."""
_SHAPES_LIMIT: Final = 256
_KEYS_LIMIT: Final = 64
_CHECKSUM: Final = secrets.token_hex(16)
_MOMENT: Final = secrets.token_hex(16)
"""What stands in the place of these in a shape: nothing that a client can know."""


def preload() -> None:
    """Imports the signer, which takes a tenth of a second: for a thread, before the first request."""
    import botocore.auth
    import botocore.awsrequest  # noqa: F401


def signed_headers(
    keys: FrozenAWS,
    *,
    method: str,
    url: str,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
    region: str,
    service: str,
) -> list[tuple[bytes, bytes]]:
    """The headers to add, in lower case, to a request that is sent exactly as `url`, `headers` and `body` say. `Host`
    is signed as the URL has it. Raises ValueError on a header that is not UTF-8."""
    shape = _shape(keys, method, url, tuple(headers), region, service)
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    checksum = sha256(body).hexdigest()
    canonical = checksum.join((shape.start, f"{shape.middle}{moment}{shape.rest}", ""))
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    hashed = sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}"
    signature = hmac.digest(_key(keys.secret_access_key, moment[:8], region, service), text.encode(), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope}, SignedHeaders={shape.names}, Signature={signature}"
    )
    return [
        (b"authorization", authorization.encode()),
        (b"x-amz-date", moment.encode()),
        *shape.token,
        (b"x-amz-content-sha256", checksum.encode()),
    ]


class _Shape(NamedTuple):
    """A canonical request: the checksum stands behind `start` and at the end, the moment between `middle` and `rest`.
    `names` are those of the headers that are signed."""

    start: str
    middle: str
    rest: str
    names: str
    token: Sequence[tuple[bytes, bytes]]


@lru_cache(_SHAPES_LIMIT)
def _shape(
    keys: FrozenAWS, method: str, url: str, headers: tuple[tuple[bytes, bytes], ...], region: str, service: str
) -> _Shape:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(method=method, url=url)
    signed = request.headers
    for name, value in headers:
        if name.lower() not in _UNSIGNED:
            signed[name.decode("latin-1")] = value.decode()
    signed["X-Amz-Content-SHA256"] = _CHECKSUM
    signed["X-Amz-Date"] = _MOMENT
    token: list[tuple[bytes, bytes]] = []
    if keys.session_token:
        signed["X-Amz-Security-Token"] = keys.session_token
        token.append((b"x-amz-security-token", keys.session_token.encode()))
    signer = SigV4Auth(None, service, region)
    start, between, _ = signer.canonical_request(request).split(_CHECKSUM)
    middle, _, rest = between.partition(_MOMENT)
    return _Shape(start, middle, rest, signer.signed_headers(signer.headers_to_sign(request)), token)


@lru_cache(_KEYS_LIMIT)
def _key(secret_access_key: str, day: str, region: str, service: str) -> bytes:
    """What signatures of one day are made with (AWS, "Create a signed AWS API request")."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
