"""Requests to AWS are signed (Signature Version 4) by botocore's own signer over the bytes that are sent."""

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from botocore.auth import SigV4Auth


class FrozenAWS(NamedTuple):
    """What a request is signed with."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"FrozenAWS({self.access_key_id})"


class _Keys(NamedTuple):
    """The same by the names that botocore knows."""

    access_key: str
    secret_key: str
    token: str | None


_UNSIGNED: Final = frozenset(
    {b"user-agent", b"accept-encoding", b"content-length", b"connection", b"expect", b"x-amzn-trace-id"}
)
"""What hops on the way may change (`provider-facts`, as other gateways sign)."""
_ADDED: Final = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256")


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
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(method=method, url=url, data=body)
    signed = request.headers
    for name, value in headers:
        if name.lower() not in _UNSIGNED:
            signed[name.decode("latin-1")] = value.decode()
    signed["X-Amz-Content-SHA256"] = sha256(body).hexdigest()
    _signer(keys, service, region).add_auth(request)
    return [(name.lower().encode(), signed[name].encode()) for name in _ADDED if name in signed]


def _signer(keys: FrozenAWS, service: str, region: str) -> "SigV4Auth":
    from botocore.auth import SigV4Auth

    return SigV4Auth(_Keys(keys.access_key_id, keys.secret_access_key, keys.session_token), service, region)
