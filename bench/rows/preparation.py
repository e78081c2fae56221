"""What is done to a request's body before it is sent on: read, checked, edited, signed. In this process."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from statistics import median

import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from bench import payloads
from bench.bench import Bench
from bench.microseconds import seconds_each
from bench.report import Result
from gateway_config.callers import Caller
from gateway_proxy.credentials import sigv4
from gateway_proxy.messages import safeguards, tags
from gateway_proxy.messages.body import Members, scan

MARK_BODY = 1.3
MARK_SIGNATURE_MS = 1.5
BEDROCK_MODEL = "us.anthropic.claude-sonnet-5-5"
_CALLS = 40


def read_and_edited(bench: Bench) -> Sequence[Result]:
    """The handler's way, and the edits of a provider in Anthropic's format and of Bedrock."""
    rounds = 9 if bench.quick else 41
    body = payloads.large()
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    caller = Caller(user="load@corp.example")

    def read(body: bytes) -> Members:
        members = scan(body)
        members.model()
        safeguards.refuse(members, headers)
        tags.billing(members, "team", caller)
        assert members.max_tokens is not None
        assert not members.stream
        return members

    def swapped(body: bytes) -> bytes:
        return read(body).edited({"model": b'"claude-sonnet-5-5-20270101"'})

    def for_bedrock(body: bytes) -> bytes:
        return read(body).edited(
            {"model": None, "stream": None},
            (("anthropic_version", b'"bedrock-2023-05-31"'), ("anthropic_beta", b'["context-management-2025-06-27"]')),
        )

    spaced = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    return [
        _beside_orjson("body read, checked and its model swapped", body, swapped, rounds, mark=MARK_BODY),
        _beside_orjson("body read, checked and edited as for Bedrock, for reference", body, for_bedrock, rounds),
        _beside_orjson("body read and checked alone, for reference", body, read, rounds),
        _beside_orjson("body of many lines, its model swapped, for reference", spaced, swapped, rounds),
    ]


def _beside_orjson(
    work: str, body: bytes, ours: Callable[[bytes], object], rounds: int, mark: float | None = None
) -> Result:
    seconds, other = [], []
    for _ in range(rounds):
        seconds.append(seconds_each([body] * _CALLS, ours))
        other.append(seconds_each([body] * _CALLS, orjson.loads))
    ratio = median(one / beside for one, beside in zip(seconds, other, strict=True))
    return Result(
        row="body",
        work=work,
        ours=f"{median(seconds) * 1e6:.0f} us",
        other=f"orjson.loads {median(other) * 1e6:.0f} us",
        ratio=ratio,
        mark=f"<= {mark} x" if mark else "",
        met=ratio <= mark if mark else None,
        notes=(f"{len(body):,} bytes",) if mark else (),
        measured={"ratio": ratio, "microseconds": median(seconds) * 1e6, "orjson_microseconds": median(other) * 1e6},
    )


def signed(bench: Bench) -> Sequence[Result]:
    """A signature over 200 KB, as each request to Bedrock has one."""
    rounds = 9 if bench.quick else 41
    sigv4.preload()
    keys = sigv4.FrozenAWS("AKIAIOSFODNN7EXAMPLE", "s" * 40, "t" * 800)
    headers = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
    host = "https://bedrock-runtime.us-east-1.amazonaws.com"
    signer = sigv4.Signer(keys, host, headers, region="us-east-1", service="bedrock")
    target = f"/model/{BEDROCK_MODEL}/invoke".encode()
    results = []
    for kilobytes, mark in ((200, MARK_SIGNATURE_MS), (1, None)):
        body = payloads.large(kilobytes * 1024) if mark else payloads.small()

        def sign(body: bytes) -> object:
            return signer.lines(target, body)

        milliseconds = median(seconds_each([body] * _CALLS, sign) for _ in range(rounds)) * 1e3
        hashed = median(seconds_each([body] * _CALLS, sha256) for _ in range(rounds)) * 1e3
        results.append(
            Result(
                row="sigv4",
                work=f"{kilobytes} KB signed for AWS" + ("" if mark else ", for reference"),
                ours=f"{milliseconds:.3f} ms",
                other=f"SHA-256 of it alone {hashed:.3f} ms",
                ratio=milliseconds / hashed,
                mark=f"<= {mark} ms" if mark else "",
                met=milliseconds <= mark if mark else None,
                measured={"milliseconds": milliseconds, "hash_milliseconds": hashed},
            )
        )
    return results
