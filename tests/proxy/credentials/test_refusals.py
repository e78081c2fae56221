"""What token endpoints say as they refuse, as a log line has it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.credentials.refusals import refusal
from gateway_proxy.outbound.client import Answer


def told(body: Any, status: int = 403, **ways_out: str) -> str:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refusal(Answer(status, {}, data)).told(ways_out)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "invalid_grant"}, "invalid_grant (status 403)"),
        ({"error": "invalid_grant", "error_description": "Bad. "}, "invalid_grant (status 403, Bad)"),
        (
            {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "No"}},
            "PERMISSION_DENIED (status 403, No)",
        ),
        ({"type": "error", "error": {"type": "not_found_error", "message": "No"}}, "not_found_error (status 403, No)"),
        ({"code": "AccessDeniedException", "message": "No"}, "AccessDeniedException (status 403, No)"),
        (
            {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid.\r\nTrace ID: 1"},
            "invalid_client AADSTS7000215 (status 403, AADSTS7000215: Invalid)",
        ),
        (
            b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>a &lt;b&gt;</Message></Error></ErrorResponse>",
            "AccessDenied (status 403, a <b>)",
        ),
        (b"Service account token cannot be parsed\n", "status 403 (Service account token cannot be parsed)"),
        (b"<html><body>Forbidden</body></html>", "status 403"),
        (b"", "status 403"),
        ([], "status 403"),
        (7, "status 403"),
        ({"error": 7}, "status 403"),
        ({"error": {"code": ["x"], "message": {"a": 1}}}, "status 403"),
        ({"error": "no code\nat all"}, "status 403"),
        ({"error": "x" * 81}, "status 403"),
        (b"[" * 100_000, "status 403"),
        (b"\xff\x00\x1b[31mred", "status 403 (\ufffd  [31mred)"),
        (
            {"error": "e", "error_description": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln was sent"},
            "e (status 403, [masked] was sent)",
        ),
        ({"error": "e", "error_description": "k" * 64}, "e (status 403, [masked])"),
    ],
)
def test_a_refusal_as_it_is_told(body: Any, said: str) -> None:
    assert told(body) == said


def test_the_way_out_is_that_of_the_most_telling_code() -> None:
    ways = {"invalid_client": "generally", "AADSTS7000215": "exactly"}
    body = {"error": "invalid_client", "error_description": "AADSTS7000215: no"}
    assert told(body, **ways).endswith(": exactly")
    assert told({"error": "invalid_client"}, **ways).endswith(": generally")
    assert told({"error": "other"}, **ways) == "other (status 403)"


@given(st.binary(max_size=2000))
def test_nothing_that_is_answered_breaks_a_line(body: bytes) -> None:
    said = told(body)
    assert said.isprintable()
    assert len(said) < 500
