"""What AWS holds against a request's signature, found by botocore's own signer over what was received."""

import hmac
import re
import time
from calendar import timegm
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})\Z"
)
_MUST_BE_SIGNED = ("host", "x-amz-date")
_MUST_NOT_BE_SIGNED = ("user-agent", "accept-encoding", "content-length", "connection")
_CLOCK_SECONDS = 300


class Keys(NamedTuple):
    """What AWS knows of an access key."""

    secret_access_key: str
    session_token: str | None = None


def problems_of_signature(
    *,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    keys: Mapping[str, Keys],
    region: str,
    service: str,
) -> list[str]:
    """`target`: path and query as received; `keys`: by access key id."""
    received: dict[str, str] = {}
    for name, value in headers:
        known = received.get(name.lower())
        received[name.lower()] = value if known is None else f"{known},{value}"  # as AWS reads them
    match = _AUTHORIZATION.match(received.get("authorization", ""))
    if match is None:
        return ["no authorization of AWS Signature Version 4"]
    key_id, date, signed_region, signed_service, signed_names, signature = match.groups()
    names = signed_names.split(";")
    found = [f"{name} is not signed" for name in _MUST_BE_SIGNED if name not in names]
    found += [f"{name} is signed" for name in _MUST_NOT_BE_SIGNED if name in names]
    found += [f"{name} is signed but was not sent" for name in names if name not in received]
    found += [f"{name} is sent but not signed" for name in received if name.startswith("x-amz-") and name not in names]
    if (signed_region, signed_service) != (region, service):
        found.append(f"signed for {signed_service} in {signed_region}")
    if "x-amz-content-sha256" in received and received["x-amz-content-sha256"] != sha256(body).hexdigest():
        found.append("x-amz-content-sha256 is of another body")
    stamp = received.get("x-amz-date", "")
    try:
        if abs(timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.time()) > _CLOCK_SECONDS or stamp[:8] != date:
            found.append(f"x-amz-date {stamp}")
    except ValueError:
        found.append(f"x-amz-date {stamp!r}")
    key = keys.get(key_id)
    if key is None:
        return [*found, f"unknown access key {key_id}"]
    if received.get("x-amz-security-token") != key.session_token:
        found.append("x-amz-security-token is not that of the access key")
    pairs = [pair.partition("=") for pair in target.partition("?")[2].split("&") if pair]
    spelled = "&".join(
        f"{quote(unquote_to_bytes(key), safe='-_.~')}={quote(unquote_to_bytes(value), safe='-_.~')}"
        for key, _, value in pairs
    )
    if spelled != target.partition("?")[2]:
        found.append(f"the query of {target!r} is spelled in another way than AWS compares it in")
    if found:
        return found
    request = AWSRequest(method=method, url=f"https://{received['host']}{target}", data=body)
    for name in names:
        request.headers[name] = received[name]
    request.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(key_id, key.secret_access_key, key.session_token), service, region)
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return [] if hmac.compare_digest(expected, signature) else ["the signature does not match"]
