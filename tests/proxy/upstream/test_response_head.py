"""Response heads: read as RFC 9112 has them, refused where it forbids them."""

import pytest

from gateway_proxy.upstream.errors import ProtocolError
from gateway_proxy.upstream.head import HEAD_LIMIT, find_head_end, parse_head


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *lines]).encode("latin-1")


def test_names_are_lowered_and_values_are_kept() -> None:
    parsed = parse_head(head("Content-Type:  text/event-stream; charset=utf-8\t", "Request-ID: req_1", "X-Empty:"))
    assert parsed.status == 200
    assert parsed.headers == [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"request-id", b"req_1"),
        (b"x-empty", b""),
    ]
    assert parsed.get(b"request-id") == b"req_1"
    assert parsed.get(b"absent") is None


@pytest.mark.parametrize(
    ("lines", "status", "length", "chunked", "kept"),
    [
        (["content-length: 12"], "HTTP/1.1 200 OK", 12, False, True),
        (["transfer-encoding: Chunked"], "HTTP/1.1 200 OK", None, True, True),
        (["content-length: 12", "connection: Close"], "HTTP/1.1 200 OK", 12, False, False),
        (["content-length: 12", "connection: foo, close"], "HTTP/1.1 200 OK", 12, False, False),
        ([], "HTTP/1.1 200 OK", None, False, False),
        (["content-length: 12"], "HTTP/1.0 200 OK", 12, False, False),
        (["content-length: 12", "connection: keep-alive"], "HTTP/1.0 200 OK", 12, False, True),
        (["content-length: 12"], "HTTP/1.1 204 No Content", 0, False, True),
        (["transfer-encoding: chunked"], "HTTP/1.1 304 Not Modified", 0, False, True),
        (["content-length: 0"], "HTTP/1.1 529 ", 0, False, True),
        (["content-length: 0"], "HTTP/1.1 529", 0, False, True),
    ],
)
def test_where_the_body_ends_and_whether_the_connection_lives(
    lines: list[str], status: str, length: int | None, chunked: bool, kept: bool
) -> None:
    parsed = parse_head(head(*lines, status=status))
    assert (parsed.content_length, parsed.chunked, parsed.keep_alive) == (length, chunked, kept)


@pytest.mark.parametrize(
    "lines",
    [
        ["content-length: 5", "content-length: 5"],
        ["content-length: 5, 5"],
        ["content-length: -5"],
        ["content-length: +5"],
        ["content-length: 0x5"],
        ["content-length: \u0665"],
        ["content-length: " + "9" * 19],
        ["content-length:"],
        ["content-length: 5", "transfer-encoding: chunked"],
        ["transfer-encoding: chunked", "transfer-encoding: chunked"],
        ["transfer-encoding: gzip, chunked"],
        ["transfer-encoding: identity"],
        ["x-folded: a", " b"],
        ["x-folded: a", "\tb"],
        ["x-blank : a"],
        ["no colon"],
        ["nocolon"],
        [": no name"],
        ["b\u00e4d: x"],
        ["x: a\x00b"],
        ["x: a\nset-cookie: b"],
        ["x: a\rset-cookie: b"],
        [""],
    ],
)
def test_a_malformed_header_is_refused(lines: list[str]) -> None:
    with pytest.raises(ProtocolError):
        parse_head("\r\n".join(["HTTP/1.1 200 OK", *lines]).encode("utf-8"))


@pytest.mark.parametrize(
    "status",
    ["", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/2 200", "HTTP/1.2 200 OK", "http/1.1 200 OK",
     "HTTP/1.1  200 OK", "HTTP/1.1 099 X", "ICY 200 OK", "HTTP/1.1 200 O\x00K", "HTTP/1.1 2 0 OK"],
)  # fmt: skip
def test_a_malformed_status_line_is_refused(status: str) -> None:
    with pytest.raises(ProtocolError):
        parse_head(head("content-length: 0", status=status))


def test_transfer_encoding_from_http_1_0_is_refused() -> None:
    with pytest.raises(ProtocolError):
        parse_head(head("transfer-encoding: chunked", status="HTTP/1.0 200 OK"))


def test_a_head_without_end_is_bounded() -> None:
    assert find_head_end(b"HTTP/1.1 200 OK\r\nx: y\r\n") == -1
    with pytest.raises(ProtocolError):
        find_head_end(b"x" * (HEAD_LIMIT + 1))
    with pytest.raises(ProtocolError):
        find_head_end(b"x" * (HEAD_LIMIT + 1) + b"\r\n\r\n")


def test_the_text_of_a_head_shows_no_header() -> None:
    assert "secret" not in repr(parse_head(head("x-api-key: secret", "content-length: 0")))
