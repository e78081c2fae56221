"""What an error says, in every provider's form, and that no credential is in it."""

import json

import pytest

from gateway_proxy.checks.answers import MAX_CHARACTERS, Said, cleaner, request_id, said
from gateway_proxy.upstream.head import ResponseHead, parse_head

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/canary"
AWS = json.dumps({"accessKeyID": "AKIACANARY", "secretAccessKey": SECRET_KEY})
PEM = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----"
GOOGLE = json.dumps({"project_id": "corp-ml", "private_key": PEM})


def head(*lines: str) -> ResponseHead:
    return parse_head("\r\n".join(["HTTP/1.1 403 No", *lines]).encode())


@pytest.mark.parametrize(
    ("line", "body", "expected"),
    [
        (
            "",
            '{"type":"error","error":{"type":"not_found_error","message":"model: x"}}',
            ("not_found_error", "model: x"),
        ),
        (
            "x-amzn-errortype: AccessDenied:http://internal/",
            '{"message":"no"}',
            ("AccessDenied", "no"),
        ),
        ("", '{"Message":"no","__type":"com.amazon#ExpiredTokenException"}', ("ExpiredTokenException", "no")),
        (
            "",
            '[{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}]',
            ("PERMISSION_DENIED", "no"),
        ),
        ("", '{"error":{"code":"DeploymentNotFound","message":"none"}}', ("DeploymentNotFound", "none")),
        ("", '{"error":"invalid_grant","error_description":"gone"}', ("invalid_grant", "gone")),
        ("", '{"message":"{\\"error\\":{\\"type\\":\\"x\\",\\"message\\":\\"inner\\"}}"}', ("x", "inner")),
        ("", '{"message":"{ is no JSON"}', ("", "{ is no JSON")),
        ("", "[]", ("", "")),
        ("", "", ("", "")),
    ],
)
def test_code_and_sentence(line: str, body: str, expected: tuple[str, str]) -> None:
    assert said(head(*([line] if line else ())), body.encode()) == Said(*expected)


def test_a_page_is_told_without_its_markup() -> None:
    page = b"<html><style>b {}</style><h1>Blocked</h1>by the company</html>"
    assert cleaner(())(said(head(), page).message) == "Blocked by the company"


def test_no_credential_is_told() -> None:
    clean = cleaner(["canary-key-1234", AWS, GOOGLE])
    quoted = f"canary-key-1234 {SECRET_KEY} AKIACANARY Bearer {TOKEN} {TOKEN} ya29.canary-token {GOOGLE}"
    shown = clean(quoted)
    assert not any(part in shown for part in ("canary-key", SECRET_KEY, "AKIA", "eyJ", "ya29", "PRIVATE KEY"))
    assert "corp-ml" in shown, "what helps is left"


def test_it_is_one_short_line() -> None:
    clean = cleaner(())
    assert clean("a\r\nb\x1b[31m\tc") == "a b [31m c"
    assert len(clean("x" * 10_000)) == MAX_CHARACTERS


def test_the_id_that_support_asks_for() -> None:
    assert request_id(head("x-amzn-requestid: 7")) == "7"
    assert request_id(head()) == ""
