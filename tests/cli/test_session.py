"""`claude-gateway session`: who is signed in, and signing them out, against an Admin API that keeps rows in memory."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from tests.local import running

KEY = "cga_" + "k" * 43
TOKEN = "eyJ.session.token"
PATH = "/v1/organizations/sessions"


class Gateway(http.server.ThreadingHTTPServer):
    """Answers as the Admin API does; `refusal` is sent in place of every answer."""

    daemon_threads = True

    def __init__(self, certificate: trustme.LeafCert | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "http"
        if certificate is not None:
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.rows = [_row(number) for number in range(3)]
        self.refusal: tuple[int, bytes] | None = None
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def session(self, *arguments: str, key: str = KEY, **variables: str) -> CompletedProcess[str]:
        environment = {"CLAUDE_GATEWAY_URL": self.url, "CLAUDE_GATEWAY_ADMIN_KEY": key, **variables}
        result = running.run("session", *arguments, **environment)
        assert KEY not in result.stdout + result.stderr
        return result


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        self.server.asked.append((self.path, dict(self.headers.items()), None))
        rows = [row for row in self.server.rows if query.get("user") in (None, row["user"], row["email"])]
        if "after_id" in query:
            rows = rows[1 + [row["id"] for row in rows].index(query["after_id"]) :]
        page = rows[: min(2, int(query["limit"]))]
        last = page[-1]["id"] if page else None
        self._answer({"data": page, "has_more": len(page) < len(rows), "last_id": last}, found=target.path == PATH)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, dict(self.headers.items()), body))
        self._answer({"revoked": 2 if body != {"id": "ses_0"} else 1}, found=self.path == f"{PATH}/revoke")

    def _answer(self, value: Any, *, found: bool) -> None:
        error = {"type": "error", "error": {"type": "not_found_error", "message": "no such path"}}
        refusal = self.server.refusal or ((404, json.dumps(error).encode()) if not found else None)
        status, body = refusal or (200, json.dumps(value).encode())
        self.send_response(status)
        if status == 302:
            self.send_header("location", f"{self.server.url}{PATH}/elsewhere")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _row(number: int) -> dict[str, Any]:
    return {
        "id": f"ses_{number}",
        "user": f"00u{number}",
        "email": f"dev{number}@corp.example",
        "groups": ["engineering"],
        "provider": "okta",
        "created_at": "2027-01-01T08:00:00Z",
        "last_used_at": 1798790400,
        "expires_at": "2099-01-31T08:00:00Z",
        "revoked_at": None,
    }


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    yield from _serving(Gateway())


def _serving(server: Gateway) -> Iterator[Gateway]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_page_is_one_table(gateway: Gateway) -> None:
    gateway.rows[1] |= {"revoked_at": "2027-01-02T09:30:00Z"}
    gateway.rows[2] |= {"expires_at": 86400, "email": None, "last_used_at": None, "user": "a\x1b[2Jb"}
    result = gateway.session("list")
    assert result.returncode == 0, result.stderr
    heading, *rows = [line.split() for line in result.stdout.splitlines()]
    assert heading == ["ID", "USER", "EMAIL", "PROVIDER", "SIGNED", "IN", "LAST", "USED", "STATE"]
    moments = ["2027-01-01", "08:00Z", "2027-01-01", "08:00Z"]
    assert rows == [
        ["ses_0", "00u0", "dev0@corp.example", "okta", *moments, "until", "2099-01-31", "08:00Z"],
        ["ses_1", "00u1", "dev1@corp.example", "okta", *moments, "revoked", "2027-01-02", "09:30Z"],
        ["ses_2", "a?[2Jb", "-", "okta", *moments[:2], "-", "expired", "1970-01-02", "00:00Z"],
    ]
    assert [path.partition("after_id=")[2] for path, _, _ in gateway.asked] == ["", "ses_1"]


def test_json_holds_what_the_gateway_said(gateway: Gateway) -> None:
    result = gateway.session("list", "-o", "json")
    assert json.loads(result.stdout) == {"data": gateway.rows}


def test_one_user_and_a_limit(gateway: Gateway) -> None:
    assert gateway.session("list", "--user", "dev1@corp.example").stdout.count("ses_") == 1
    assert gateway.session("list", "--limit", "1").stdout.count("ses_") == 1
    assert gateway.session("list", "--user", "nobody").stdout == "nobody is signed in\n"


@pytest.mark.parametrize(
    ("arguments", "body", "told"),
    [
        (["ses_0"], {"id": "ses_0"}, "1 session revoked\n"),
        (["--user", "alice@corp.example"], {"user": "alice@corp.example"}, "2 sessions revoked\n"),
        (["--all"], {"all": True}, "2 sessions revoked\n"),
    ],
)
def test_revoking(gateway: Gateway, arguments: list[str], body: dict[str, Any], told: str) -> None:
    result = gateway.session("revoke", *arguments)
    assert (result.returncode, result.stdout) == (0, told)
    assert [asked[2] for asked in gateway.asked] == [body]
    assert json.loads(gateway.session("revoke", *arguments, "-o", "json").stdout) == {"revoked": int(told[0])}


@pytest.mark.parametrize("arguments", [[], ["ses_0", "--all"], ["--user", "a", "--all"], ["--user", ""]], ids=str)
def test_a_revocation_names_one_thing(gateway: Gateway, arguments: list[str]) -> None:
    result = gateway.session("revoke", *arguments)
    assert result.returncode == 2
    assert result.stderr == "error: say whom to sign out: an ID, --user USER or --all, one of them\n"
    assert gateway.asked == []


def test_an_admin_key_and_a_session_token_travel_in_headers_of_their_own(gateway: Gateway) -> None:
    gateway.session("list", key=f"{KEY}\n")
    gateway.session("list", key=TOKEN)
    sent = [{name.lower(): value for name, value in headers.items()} for _, headers, _ in gateway.asked]
    assert sent[0]["x-api-key"] == KEY
    assert "authorization" not in sent[0]
    assert sent[-1]["authorization"] == f"Bearer {TOKEN}"
    assert "x-api-key" not in sent[-1]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "the gateway does not take the key in CLAUDE_GATEWAY_ADMIN_KEY: it is over?[2J now"),
        (403, "not allowed with this key: it is over?[2J now"),
        (503, "the gateway cannot do that now: it is over?[2J now"),
        (429, "the gateway answers 429: it is over?[2J now"),
    ],
)
def test_a_refusal_is_one_line(gateway: Gateway, status: int, told: str) -> None:
    error = {"type": "error", "error": {"type": "x", "message": "it is\nover\x1b[2J now"}}
    gateway.refusal = (status, json.dumps(error).encode())
    result = gateway.session("list")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"error: {told}\n")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": 7}', b""])
def test_something_else_than_a_gateway(gateway: Gateway, body: bytes) -> None:
    gateway.refusal = (200, body)
    result = gateway.session("list")
    assert result.returncode == 1
    assert "does not answer as a gateway's Admin API" in result.stderr


def test_a_key_follows_no_redirect(gateway: Gateway) -> None:
    gateway.refusal = (302, b"")
    result = gateway.session("list")
    assert result.returncode == 1
    assert "redirects elsewhere, where the key is not sent" in result.stderr
    assert len(gateway.asked) == 1


def test_a_forward_proxy_never_sees_a_request_to_loopback(gateway: Gateway) -> None:
    assert gateway.session("list", http_proxy="http://127.0.0.1:1").returncode == 0


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"CLAUDE_GATEWAY_URL": ""}, "say which gateway"),
        ({"CLAUDE_GATEWAY_URL": "http://claude.corp.example"}, "write https://"),
        ({"CLAUDE_GATEWAY_URL": "claude.corp.example"}, "must be the gateway's public URL"),
        ({"CLAUDE_GATEWAY_URL": "https://u:p@claude.corp.example"}, "must be the gateway's public URL"),
        ({"CLAUDE_GATEWAY_URL": "https://claude.corp.example/v1"}, "must be the gateway's public URL"),
        ({"CLAUDE_GATEWAY_URL": "https://[::1"}, "must be the gateway's public URL"),
        ({"CLAUDE_GATEWAY_ADMIN_KEY": " "}, "CLAUDE_GATEWAY_ADMIN_KEY is not set"),
        ({"CLAUDE_GATEWAY_ADMIN_KEY": "cga_ä"}, "does not hold a key"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_sent(
    gateway: Gateway, variables: dict[str, str], told: str
) -> None:
    environment = {"CLAUDE_GATEWAY_URL": gateway.url, "CLAUDE_GATEWAY_ADMIN_KEY": KEY} | variables
    result = running.run("session", "list", **environment)
    assert result.returncode == 2
    assert told in result.stderr
    assert len(running.lines_of(result.stderr)) == 1
    assert gateway.asked == []


def test_nobody_listens() -> None:
    result = running.run("session", "list", "--url", "http://127.0.0.1:1", CLAUDE_GATEWAY_ADMIN_KEY=KEY)
    assert result.returncode == 1
    assert result.stderr.startswith("error: http://127.0.0.1:1 cannot be reached: ")


def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for gateway in _serving(Gateway(authority.issue_cert("127.0.0.1"))):
        assert "cannot be reached: [SSL: CERTIFICATE_VERIFY_FAILED]" in gateway.session("list").stderr
        assert gateway.session("list", "--ca-file", str(tmp_path / "ca.pem")).stdout.count("ses_") == 3
        (tmp_path / "no.pem").write_text("no certificate")
        result = gateway.session("list", "--ca-file", str(tmp_path / "no.pem"))
        assert (result.returncode, "holds no certificates" in result.stderr) == (2, True)
