"""Signatures as AWS checks them: botocore verifies what was signed over the request as it is received."""

import pytest
from tests.standins import sigv4 as standin
from tests.standins.sigv4 import Keys, problems_of_signature

from gateway_proxy.credentials import sigv4
from gateway_proxy.credentials.sigv4 import FrozenAWS, Signer

KEYS = FrozenAWS("AKIAEXAMPLE", "secret-canary", "session-canary")
KNOWN = {"AKIAEXAMPLE": Keys("secret-canary", "session-canary")}
HOST = "bedrock-runtime.eu-central-1.amazonaws.com"
SIGNED = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"X-Stainless-Lang", b"python  with   spaces"),
    (b"x-team", "Zürich".encode()),
)
UNSIGNED = ((b"user-agent", b"claude-cli/2"), (b"content-length", b"2"), (b"connection", b"keep-alive"))


def signer_of(keys: FrozenAWS) -> Signer:
    return Signer(keys, f"https://{HOST}", SIGNED, region="eu-central-1", service="bedrock")


def added(signer: Signer, target: str, body: bytes) -> list[tuple[str, str]]:
    first = signer.lines(target.encode(), b"another")
    lines = signer.lines(target.encode(), body)
    assert lines != first
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines.decode().split("\r\n"))]


def problems(
    target: str,
    body: bytes,
    *,
    keys: FrozenAWS = KEYS,
    signer: Signer | None = None,
    altered_body: bytes | None = None,
) -> list[str]:
    headers = [(name.decode(), value.decode()) for name, value in (*SIGNED, *UNSIGNED)]
    headers += added(signer or signer_of(keys), target, body)
    return problems_of_signature(
        method="POST",
        target=target,
        headers=[("host", HOST), *headers],
        body=body if altered_body is None else altered_body,
        keys=KNOWN,
        region="eu-central-1",
        service="bedrock",
    )


@pytest.mark.parametrize(
    "target",
    [
        "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1:0/invoke",
        "/model/arn:aws:bedrock:eu-central-1:1:application-inference-profile%2Fabc/invoke-with-response-stream",
        "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens",
        "/v1/messages?beta=true",
        "/",
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 200_000])
def test_a_signature_is_what_aws_computes_of_the_same_bytes(target: str, body: bytes) -> None:
    assert problems(target, body) == []


def test_each_day_has_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standin, "_CLOCK_SECONDS", 10**10)
    signer = signer_of(KEYS)
    for moment in ("20270101T000000Z", "20270101T235959Z", "20270102T000000Z"):
        monkeypatch.setattr(sigv4, "_moment", lambda _, now=moment: now)
        assert problems("/", b"{}", signer=signer) == []


def test_what_the_check_holds_against_a_request_that_was_changed_or_signed_by_another() -> None:
    assert problems("/", b"{}", altered_body=b"{ }") == ["x-amz-content-sha256 is of another body"]
    assert problems("/", b"{}", keys=KEYS._replace(secret_access_key="other")) == ["the signature does not match"]
    assert problems("/", b"{}", keys=KEYS._replace(session_token="other")) == [
        "x-amz-security-token is not that of the access key"
    ]


def test_a_long_term_key_has_no_session_token() -> None:
    lines = added(signer_of(KEYS._replace(session_token=None)), "/", b"")
    assert [name for name, _ in lines] == ["authorization", "x-amz-date", "x-amz-content-sha256"]


def test_keys_are_not_shown() -> None:
    assert "canary" not in repr(KEYS)
