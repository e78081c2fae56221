"""Requests to AWS are signed (Signature Version 4) over the bytes that are sent.

botocore's signer says what of a request is signed, and in which form. It does so once for all requests that differ in
their bodies and moments alone, which are put in afterwards: that takes an eighth of the time of signing 1 KB.
"""

import hmac
import secrets
import time
from collections.abc import Iterable
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


_SHAPES_LIMIT: Final = 256
_CHECKSUM: Final = secrets.token_hex(16)
_MOMENT: Final = secrets.token_hex(16)
"""What stands in the place of these in a shape: nothing that a client can know."""


def preload() -> None:
    """Imports the signer, which takes a tenth of a second: for a thread, before the first request."""
    import botocore.auth
    import botocore.awsrequest  # noqa: F401


class Signer:
    """Signs POST requests to one service in one region, with one set of keys."""

    __slots__ = ("_base_url", "_day", "_headers", "_keyed", "_region", "_service", "_shapes", "keys")

    def __init__(
        self, keys: FrozenAWS, base_url: str, headers: Iterable[tuple[bytes, bytes]], *, region: str, service: str
    ) -> None:
        """`headers`: what every request has and is signed for, beside the `Host` of the base URL and AWS's own. Raises
        ValueError on one that is not UTF-8."""
        self.keys = keys
        self._base_url = base_url
        self._headers = [(name.decode("latin-1"), value.decode()) for name, value in headers]
        self._region = region
        self._service = service
        self._shapes: dict[bytes, _Shape] = {}
        self._day = ""
        self._keyed = hmac.new(b"", digestmod="sha256")
        """With the key of that day."""

    def lines(self, target: bytes, body: bytes) -> bytes:
        """The header lines, with line ends between them, to add to a request with exactly this path and query behind
        the base URL, and this body."""
        shape = self._shapes.get(target)
        if shape is None:
            if len(self._shapes) >= _SHAPES_LIMIT:
                self._shapes.clear()  # clients may ask for anything; who asks for the same again is quick again
            shape = self._shapes[target] = self._shape(self._base_url + target.decode())
        moment = _moment(int(time.time()))
        day = moment[:8]
        if day != self._day:
            self._day, self._keyed = day, hmac.new(self._key_of(day), digestmod="sha256")
        checksum = sha256(body).hexdigest()
        canonical = f"{shape.start}{checksum}{shape.middle}{moment}{shape.rest}{checksum}"
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = self._keyed.copy()
        signature.update(text.encode())
        return (
            f"authorization: AWS4-HMAC-SHA256 Credential={self.keys.access_key_id}/{scope}, "
            f"SignedHeaders={shape.names}, Signature={signature.hexdigest()}\r\n"
            f"x-amz-date: {moment}\r\n{shape.token}x-amz-content-sha256: {checksum}"
        ).encode()

    def _shape(self, url: str) -> "_Shape":
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method="POST", url=url)
        signed = request.headers
        for name, value in self._headers:
            signed[name] = value
        signed["X-Amz-Content-SHA256"] = _CHECKSUM
        signed["X-Amz-Date"] = _MOMENT
        token = ""
        if self.keys.session_token:
            signed["X-Amz-Security-Token"] = self.keys.session_token
            token = f"x-amz-security-token: {self.keys.session_token}\r\n"
        signer = SigV4Auth(None, self._service, self._region)
        start, between, _ = signer.canonical_request(request).split(_CHECKSUM)
        middle, _, rest = between.partition(_MOMENT)
        return _Shape(start, middle, rest, signer.signed_headers(signer.headers_to_sign(request)), token)

    def _key_of(self, day: str) -> bytes:
        """What signatures of one day are made with (AWS, "Create a signed AWS API request")."""
        key = f"AWS4{self.keys.secret_access_key}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


class _Shape(NamedTuple):
    """A canonical request: the checksum stands behind `start` and at the end, the moment between `middle` and `rest`.
    `names` are those of the headers that are signed; `token` is the session's header line with its end, or empty."""

    start: str
    middle: str
    rest: str
    names: str
    token: str


@lru_cache(2)
def _moment(second: int) -> str:
    """As AWS writes it."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
