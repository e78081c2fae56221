"""What of a client's request upstreams get."""

from collections.abc import Sequence
from typing import Final

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.identity.principal import Principal
from gateway_proxy.messages import betas, tags
from gateway_proxy.messages.body import Members
from gateway_proxy.providers.client import Call

_NAMES_NO_HEADER: Final = ("keep-alive", "close")


def call_of(
    request: ClientRequest,
    members: Members,
    *,
    principal: Principal,
    model: str,
    canonical: str,
    counts: bool,
    keeps_tags: bool,
) -> Call:
    """`model` is as the client wrote it. Raises GatewayError (400) for a query that is no ASCII."""
    headers = _end_to_end(request)
    named = betas.values_of(headers)
    if not keeps_tags:
        members, named = tags.without_tags(members, named)
    return Call(
        target=_target(request),
        headers=headers,
        betas=named,
        members=members,
        principal=principal,
        model=model,
        canonical=canonical,
        # A number of tokens comes whole, whatever the request says.
        stream=members.stream and not counts,
        counts=counts,
        accept_encoding=request.headers.get("Accept-Encoding"),
        request_id=request.request_id,
    )


def _target(request: ClientRequest) -> bytes:
    """Path and query for the upstream, as the client sent them."""
    if not request.query:
        return request.path.encode()
    if not request.query.isascii():
        raise errors.invalid_request("the query string holds characters that must be percent-encoded")
    return f"{request.path}?{request.query}".encode()


def _end_to_end(request: ClientRequest) -> Sequence[tuple[bytes, bytes]]:
    """The client's headers without those that a `Connection` names as meant for this hop (RFC 9110, 7.6.1)."""
    connection = request.headers.getall("Connection", ())
    if not connection or (len(connection) == 1 and connection[0].lower() in _NAMES_NO_HEADER):
        return request.raw_headers
    words = ",".join(connection).split(",")
    named = {word.strip().lower().encode("utf-8", "surrogateescape") for word in words}
    return [header for header in request.raw_headers if header[0].lower() not in named]
