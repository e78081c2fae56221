"""From the command line to ready, and the ways in which it cannot get there."""

import os
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.proxy import kubelet
from tests.proxy.configurations import ALICE_KEY, configuration, files
from tests.proxy.processes import ANYWHERE, PROGRAM, proxy

RESIDENT_LIMIT = 110 * 1024 * 1024


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=30, check=False)


def test_it_says_where_it_listens_and_serves(tmp_path: Path) -> None:
    kubelet.project(tmp_path / "config", files(configuration()))
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    with proxy(tmp_path / "config") as running:
        listening = running.event("listening")
        assert len({listening[name] for name in ("listen", "admin", "metrics")}) == 3
        running.until_ready()
        loaded = running.event("config.loaded")
        status = running.status()
        assert (status["revision"], status["sequence"]) == (loaded["revision"], 1)
        assert before <= datetime.fromisoformat(status["started_at"]) <= datetime.now(UTC)
        assert status["started_at"] == running.status()["started_at"]
        assert (status["ready"], status["draining"], status["last_error"]) == (True, False, None)
        assert running.get("/v1/models", **{"x-api-key": ALICE_KEY}).json()["data"]
        assert b"claude_gateway_config_info" in running.get("/metrics", listener="metrics").body
        running.wait_for(lambda: running.audit, what="the audit line of the load")
        assert running.audit[0]["event"] == "config.load"
        assert running.resident_bytes() < RESIDENT_LIMIT


def test_without_a_directory_it_waits(tmp_path: Path) -> None:
    with proxy(tmp_path / "config") as running:
        assert running.event("config.waiting")["reason"] == "ConfigMissing"
        assert running.get("/healthz").status == 200
        assert running.get("/readyz").status == 503
        assert running.status()["last_error"]["reason"] == "ConfigMissing"
        kubelet.project(tmp_path / "config", files(configuration()))
        running.until_ready()
        assert running.status()["last_error"] is None


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        found = ran("--config", str(tmp_path), *ANYWHERE, "--admin-listen", address)
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert f"cannot listen on {address}: another process uses the port" in found.stderr
    assert "--admin-listen" in found.stderr


def test_an_address_that_is_not_of_this_machine(tmp_path: Path) -> None:
    found = ran("--config", str(tmp_path), *ANYWHERE, "--listen", "192.0.2.1:8080")
    assert found.returncode == 1
    assert "cannot listen on 192.0.2.1:8080" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--config"),
        (["--config", "x", "--listen", "8080"], "127.0.0.1:8080"),
        (["--config", "x", "--listen", "host:99999"], "host:99999"),
        (["--config", "x", "--listen", "::1:8080"], "[::1]:8080"),
        (["--config", "x", "--drain-accept", "-1"], "-1"),
        (["--config", "x", "--log-level", "loud"], "loud"),
        (["--config", "x", "--limit", "head"], "head"),
        (["--config", "x", "--limit", "tail=3"], "ping"),
        (["--config", "x", "--limit", "ping=0"], "ping=0"),
        (["--config", "x", "--admin", "127.0.0.1:1"], "--admin"),
    ],
)
def test_arguments_that_make_no_sense(arguments: list[str], says: str) -> None:
    found = ran(*arguments)
    assert found.returncode == 2
    assert says in found.stderr


def test_help_and_version() -> None:
    assert ran("--version").stdout.startswith("claude-gateway-proxy ")
    page = ran("--help")
    assert page.returncode == 0
    for word in ("--config", "SIGTERM", "exit status", "examples"):
        assert word in page.stdout


def test_ipv6(tmp_path: Path) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with proxy(tmp_path / "config", "--listen", "[::1]:0") as running:
        assert running.event("listening")["listen"].startswith("[::1]:")


def test_the_status_asks_for_its_token_and_follows_the_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    with proxy(tmp_path / "config", "--admin-token-file", str(token)) as running:

        def status(**headers: str) -> int:
            return running.get("/status", listener="admin", **headers).status

        assert status() == 401
        assert status(authorization="Bearer wrong") == 401
        assert status(authorization="first") == 401
        assert status(authorization="Bearer first") == 200
        assert running.get("/metrics", listener="metrics").status == 200
        token.write_text("second")
        assert status(authorization="Bearer first") == 401
        assert status(authorization="Bearer second") == 200
        token.write_text("")
        assert status(authorization="Bearer ") == 401
        token.unlink()
        assert status(authorization="Bearer second") == 401


def test_an_audit_reader_that_goes_does_not_end_it(tmp_path: Path) -> None:
    kubelet.project(tmp_path / "config", files(configuration()))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with proxy(tmp_path / "config", stdout=writer) as running:
            running.until_ready()
            assert running.get("/v1/models").status == 401

            def dropped() -> bool:
                return (
                    b"claude_gateway_audit_lines_dropped_total 2.0" in running.get("/metrics", listener="metrics").body
                )

            running.wait_for(dropped, what="both lines counted as lost")
            assert running.get("/v1/models", **{"x-api-key": ALICE_KEY}).status == 200
    finally:
        os.close(writer)
