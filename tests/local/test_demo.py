"""`make demo`: one streamed answer through a gateway of its own, then how to go on."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.local import running

from gateway_operator.local.addresses import Address, free

DEMO = [sys.executable, "-m", "gateway_operator.local.demo"]


@pytest.fixture
def port() -> int:
    return free(Address("127.0.0.1", 0), option="").port


def test_oneshot_ends_after_the_answer(port: int) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path("examples").rglob("*")}
    environment = running.environment(DEMO_PORT=str(port), ONESHOT="1")
    result = subprocess.run(DEMO, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert f"claude/corp at http://127.0.0.1:{port}" in result.stdout
    assert "This is the built-in demo upstream" in result.stdout
    assert result.stderr == ""
    assert {path: path.stat().st_mtime_ns for path in Path("examples").rglob("*")} == before


def test_a_port_in_use_names_the_variable() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        environment = running.environment(DEMO_PORT=str(other.getsockname()[1]))
        result = subprocess.run(DEMO, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    lines = running.lines_of(result.stderr)
    assert len(lines) == 1
    assert "port in use" in lines[0]
    assert "DEMO_PORT" in lines[0]


@pytest.mark.parametrize("whole_group", [True, False])
def test_it_stays_until_ctrl_c_and_its_lines_work(port: int, whole_group: bool) -> None:
    process = subprocess.Popen(
        DEMO,
        env=running.environment(DEMO_PORT=str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        said: dict[str, str] = {}
        model = ""
        for line in process.stdout:
            name, _, value = line.strip().partition("=")
            said[name] = value
            if name.startswith("claude --model "):
                model = name.split()[-1]
            if "Ctrl-C ends" in line:
                break
        assert said["export ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{port}"
        status, _ = running.ask(port, said["export ANTHROPIC_AUTH_TOKEN"], model=model)
        assert status == 200
        assert any(model in line for line in process.stdout)  # after the demo's own request, perhaps
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
