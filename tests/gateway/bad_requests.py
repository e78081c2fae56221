"""A generator of requests that no honest client sends. The same seed gives the same requests."""

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.standins.framing import Headers, chunk, cut, pairs
from tests.standins.raw_client import request_bytes

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":16,"messages":[{"role":"user","content":"CANARY"}]}'
"""CANARY stands where the caller's own mark goes."""


@dataclass(frozen=True, slots=True)
class BadRequest:
    kind: str
    user: str
    pieces: tuple[bytes, ...]
    """Sent one after the other."""


Maker = Callable[[random.Random, list[tuple[str, str]]], tuple[bytes, ...]]
MAKERS: list[Maker] = []


def maker(function: Maker) -> Maker:
    MAKERS.append(function)
    return function


def requests(seed: int, count: int, callers: Mapping[str, Headers]) -> Iterator[BadRequest]:
    """`callers`: the headers with each caller's key, by name. The callers take turns."""
    source = random.Random(seed)
    for number in range(count):
        make = MAKERS[number % len(MAKERS)]
        user = source.choice(list(callers))
        pieces = make(source, list(pairs(callers[user])))
        whole = b"".join(pieces).replace(b"CANARY", mark(user))
        ends = list(itertools.accumulate(map(len, pieces)))
        yield BadRequest(make.__name__, user, tuple(cut(whole, *ends)))


def mark(user: str) -> bytes:
    """What stands for CANARY in this caller's requests; of its length, so that no length changes."""
    return hashlib.sha256(user.encode()).hexdigest()[:6].encode()


def post(headers: Headers, body: bytes, target: str = "/v1/messages?beta=true") -> bytes:
    return request_bytes("POST", target, headers, body)


def raw(first: bytes, headers: list[tuple[str, str]], rest: bytes = b"") -> bytes:
    lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers)
    return first + b"\r\nHost: gateway.test\r\n" + lines + b"\r\n" + rest


@maker
def broken_json(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    body = bytearray(BODY)
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(body))
        match source.randrange(3):
            case 0:
                body[at] = source.randrange(256)
            case 1:
                del body[at]
            case _:
                body.insert(at, source.choice(b'{}[]",:\\\x00\xff01e-'))
    return (post(headers, bytes(body)),)


@maker
def truncated_json(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    return (post(headers, BODY[: source.randrange(len(BODY))]),)


@maker
def wrong_types(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    odd: list[Any] = [None, True, -1, 1.5, "", "x", [], {}, [[]], {"a": {}}, "claude-sonnet-5-5", ["claude-sonnet-5-5"]]
    names = ["model", "stream", "max_tokens", "tags", "messages", "system", "metadata", ""]
    value = {name: source.choice(odd) for name in source.sample(names, source.randint(0, len(names)))}
    return (post(headers, json.dumps(source.choice([value, value, value, *odd])).encode()),)


@maker
def huge_numbers(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    digits = "9" * source.choice([30, 400, 5000, 200_000])
    number = source.choice([digits, "-" + digits, f"1e{digits[:9]}", f"0.{digits}", f"-0.0e-{digits[:5]}"])
    name = source.choice(["max_tokens", "temperature", "stream", "model", "x"])
    return (post(headers, BODY[:-1] + f',"{name}":{number}}}'.encode()),)


@maker
def deep_nesting(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    depth = source.choice([100, 1000, 5000, 100_000])
    opened, closed = source.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"model":', b"}]")])
    inner = opened * depth + b"1" + (closed * depth if source.random() < 0.7 else b"")
    return (post(headers, source.choice([BODY[:-1] + b',"x":' + inner + b"}", inner])),)


@maker
def duplicate_keys(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    name = source.choice(["model", "stream", "max_tokens", "tags", "messages", "mode\\u006c", "\\u0073tream"])
    value = source.choice(['"claude-opus-5-5"', "true", "null", "[]", '"claude-sonnet-5-5"'])
    return (post(headers, BODY[:-1] + f',"{name}":{value}'.encode() * source.randint(1, 5000) + b"}"),)


@maker
def invalid_utf8(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    odd = source.choice(
        [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\\ud800", b"\xef\xbb\xbf"]
    )
    at = source.choice([0, len(BODY), BODY.index(b"CANARY"), BODY.index(b"model"), BODY.index(b"sonnet")])
    return (post(headers, BODY[:at] + odd + BODY[at:]),)


@maker
def truncated_body(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    whole = post(headers, BODY)
    return (whole[: source.randrange(1, len(whole))],)


@maker
def chunked_oddities(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    half = source.randrange(1, len(BODY))
    good = chunk(BODY[:half]) + chunk(BODY[half:])
    body = source.choice(
        [
            good,
            good + b"0\r\n",
            good + b"0\r\n\r\n" + post(headers, BODY),
            good + b"0\r\nx-trailer: y\r\ncontent-length: 5\r\n\r\n",
            good.replace(b"\r\n", b"\n"),
            b"-1\r\n" + good,
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffffff\r\nhello",
            b"%x\r\n" % (1 << 40) + b"hello",
            b"5\r\nhelloXX0\r\n\r\n",
            b"5;" + b"a" * 20_000 + b"\r\nhello\r\n0\r\n\r\n",
            b"\r\n" + good + b"0\r\n\r\n",
            b"1\r\n{\r\n" * 500 + b"0\r\n\r\n",
        ]
    )
    return (raw(b"POST /v1/messages HTTP/1.1", [*headers, ("transfer-encoding", "chunked")], body),)


@maker
def smuggling(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    inner = post(headers, BODY, "/v1/messages?smuggled")
    shape = source.choice(
        [
            [("content-length", "5"), ("transfer-encoding", "chunked")],
            [("transfer-encoding", "chunked"), ("content-length", str(len(inner)))],
            [("content-length", "5"), ("content-length", "6")],
            [("content-length", "5, 6")],
            [("content-length", "5"), ("content-length", "5")],
            [("content-length", "+5")],
            [("content-length", "-1")],
            [("content-length", "0x5")],
            [("content-length", "5 5")],
            [("content-length", "1_0")],
            [("content-length", "9" * 30)],
            [("content-length", "")],
            [("content-length", "\xb2")],
            [("transfer-encoding", "xchunked")],
            [("transfer-encoding", "chunked, identity")],
            [("transfer-encoding", "identity")],
            [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            [("transfer-encoding", "\x0bchunked")],
            [("transfer-encoding ", "chunked")],
            [("transfer-encoding", "gzip, chunked")],
            [(" transfer-encoding", "chunked")],
            [("x", "y\r\n transfer-encoding: chunked")],
            [("transfer_encoding", "chunked"), ("content-length", "0")],
        ]
    )
    return (raw(b"POST /v1/messages HTTP/1.1", [*headers, *shape], b"0\r\n\r\n" + inner),)


@maker
def odd_heads(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    good = post(headers, BODY)
    return (
        source.choice(
            [
                good.replace(b"\r\n", b"\n"),
                good.replace(b"\r\n", b"\r"),
                good.replace(b"content-type: ", b"content-type : "),
                good.replace(b"content-type: ", b"content-type: a\r\n\tb: "),
                good.replace(b"content-type: application", b"content-type: \x00application"),
                good.replace(b"content-type: application", b"content-type: a\nx: y"),
                good.replace(b"content-type", b"content\x00type"),
                good.replace(b"content-type", b"c\xf6ntent-type"),
                good.replace(b"content-type: ", b": "),
                good.replace(
                    b"HTTP/1.1", source.choice([b"HTTP/9.9", b"HTTP/1.10", b"http/1.1", b"HTTP/2", b"", b"X"])
                ),
                good.replace(b"POST", source.choice([b"PO ST", b"", b"P\x00ST", b"post", b"CONNECT", b"P" * 9000])),
                good.replace(b"Host: ", b"Host: a\r\nHost: ").replace(b"host: ", b"host: a\r\nhost: "),
                b"\r\n" * 50 + good,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
                bytes(source.randrange(256) for _ in range(source.randint(1, 400))),
                b"GET /v1/models HTTP/0.9\r\n\r\n",
                b"\r\n\r\n",
                b"G",
            ]
        ),
    )


@maker
def header_floods(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    flood = source.choice(
        [
            [(f"x-{number}", "y") for number in range(source.choice([100, 300, 3000]))],
            [("x", "y" * source.choice([8000, 20_000, 70_000, 500_000]))],
            [("x" * 70_000, "y")],
            [("anthropic-" + "b" * 100 + str(number), "1") for number in range(90)],
            [("authorization", "Bearer " + "z" * 60_000)],
            [("cookie", "a=b; " * 3000)] * 3,
        ]
    )
    return (post([*headers, *flood], BODY),)


@maker
def path_tricks(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    target = source.choice(
        [
            "/v1/messages/../../etc/passwd",
            "/v1/%2e%2e/v1/messages",
            "//v1/messages",
            "/v1/messages%00",
            "/v1/messages;a=b",
            "http://evil.example/v1/messages",
            "*",
            "/v1/messages#x",
            "/" + "a" * 30_000,
            "/v1/messages?" + "q" * 30_000,
            "/v1/messages?%",
            "/v1/messages?\xff",
            "/v1/messages\\..\\x",
            "/V1/MESSAGES",
            "/v1/messages?a=b c",
            "",
            "v1/messages",
            "/status",
            "/metrics",
            "/%",
            "/v1/messages?x=%0d%0aset-cookie:%20a=b",
            "/v1/models?limit=" + "9" * 500,
            "/\u202e",
            "evil.example:443",
            "/v1/messages?" + "&".join(f"a{number}=1" for number in range(2000)),
        ]
    )
    method = source.choice(["GET", "POST", "HEAD", "OPTIONS", "TRACE", "PUT", "CONNECT", "BREW"])
    first = f"{method} {target} HTTP/1.1".encode()
    return (raw(first, [*headers, ("content-length", str(len(BODY)))], BODY),)


@maker
def slow_senders(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    whole = post(headers, BODY)
    if source.random() < 0.3:
        return tuple(whole[at : at + 1] for at in range(len(whole)))
    return tuple(cut(whole, *sorted(source.sample(range(1, len(whole)), source.randint(1, 20)))))


@maker
def pipelines(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    good, bad = post(headers, BODY), post(headers, b"{")
    return (b"".join(source.choice([good, bad, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]) for _ in range(20)),)


@maker
def odd_headers(source: random.Random, headers: list[tuple[str, str]]) -> tuple[bytes, ...]:
    extra = source.choice(
        [
            ("expect", "100-continue"),
            ("expect", "200-ok"),
            ("upgrade", "websocket"),
            ("connection", "upgrade, content-length, authorization"),
            ("connection", "close, keep-alive, " * 50),
            ("content-encoding", "gzip"),
            ("content-encoding", ","),
            ("accept-encoding", "\xff"),
            ("x-claude-code-session-id", "\x7f\xfe" * 50),
            ("anthropic-beta", "a" * 10_000),
            ("anthropic-beta", "\xe9\xff"),
            ("anthropic-version", ""),
            ("user-agent", "\xf0\x9f" * 20),
            ("content-type", "application/json; charset=\xfe"),
            ("if-none-match", "*"),
            ("range", "bytes=0-0"),
            ("x-forwarded-for", "1.1.1.1, " * 500),
            ("sec-websocket-key", "x"),
            ("x-api-key", "\xff" * 100),
        ]
    )
    return (post([*headers, extra], BODY),)
