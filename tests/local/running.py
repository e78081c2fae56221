"""A real `claude-gateway up`, what it says, and requests to the gateway behind it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway_operator.local import key_manifests

CLI = [sys.executable, "-m", "gateway_operator.cli.main"]
DEADLINE = 30.0
MODEL = "claude-haiku-5-5"

GATEWAY = """apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayDeployment
metadata: {name: corp, namespace: claude}
spec:
  publicURL: https://claude.corp.example
"""
BINDING = """apiVersion: claude-gateway.dev/v1alpha1
kind: ProviderBinding
metadata: {name: anthropic, namespace: claude}
spec:
  gatewayRefs: [{name: corp}]
  type: Anthropic
  anthropic:
    apiKeySecretRef: {name: anthropic, key: api-key}
"""
POLICY = """apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayPolicy
metadata: {name: everyone, namespace: claude}
spec:
  gatewayRefs: [{name: corp}]
  availableModels: [claude-sonnet-5-5, claude-haiku-5-5]
"""
SECRET = """apiVersion: v1
kind: Secret
metadata: {name: anthropic, namespace: claude}
stringData: {api-key: sk-ant-canary-7f3a}
"""
SMALLEST = {"gateway.yaml": GATEWAY, "binding.yaml": BINDING, "policy.yaml": POLICY}


def environment(**more: str) -> dict[str, str]:
    """Of a person who has none of this project's variables set and no terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "CLAUDE_"))}
    return kept | {"PYTHONUNBUFFERED": "1"} | more


def write(directory: Path, files: Mapping[str, str]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    return directory


def write_key(directory: Path, user: str, *groups: str, expires: datetime | None = None) -> str:
    """A developer key whose Secret lies in the directory."""
    key = key_manifests.new_key()
    text = key_manifests.manifest(key, user=user, groups=groups, gateway="corp", namespace="claude", expires=expires)
    (directory / f"key-{user.partition('@')[0]}.yaml").write_text(text)
    return key


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [*CLI, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
    )


class Up:
    """A running `up`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.audit: list[dict[str, Any]] = []
        self._threads = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_audit, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def url(self) -> str:
        return self.row("url").partition(",")[0]

    def row(self, name: str) -> str:
        """A value of the table shown at the start."""
        found = [line[12:] for line in self.lines if line.startswith(f"  {name:<10}")]
        assert found, self.lines
        return found[0]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def until(self, what: str | Callable[[], bool]) -> str:
        """Waits for a line that holds `what`, and returns it; or for a condition."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if callable(what):
                if what():
                    return ""
            elif found := [line for line in self.lines if what in line]:
                return found[-1]
            if self.process.poll() is not None and not any(thread.is_alive() for thread in self._threads):
                break
            time.sleep(0.01)
        raise AssertionError(f"{what!r} did not come; exit code {self.process.poll()}; it said: {self.lines}")

    def proxy_pid(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def ended(self) -> int:
        code = self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        return code

    def _read_lines(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def _read_audit(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.audit.append(json.loads(line))


@contextmanager
def up(directory: Path, *arguments: str, wait: bool = True, **variables: str) -> Iterator[Up]:
    """`claude-gateway up` on a free port; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*CLI, "up", str(directory), "--listen", "127.0.0.1:0", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
        start_new_session=True,
    )
    running = Up(process)
    try:
        if wait:
            running.until("ready in")
            running.until("Ctrl-C ends")
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        running.ended()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def ask(port: int, key: str, *, model: str = MODEL, prompt: str = "hello") -> tuple[int, dict[str, Any]]:
    """One message, not streamed."""
    return post(port, key, {"model": model, "max_tokens": 400, "messages": [{"role": "user", "content": prompt}]})


def post(port: int, key: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        headers = {"x-api-key": key, "content-type": "application/json"}
        connection.request("POST", "/v1/messages", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def stream(
    port: int, key: str, *, prompt: str = "hello"
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A streamed answer whose events are still to be read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    body = {"model": MODEL, "max_tokens": 400, "stream": True, "messages": [{"role": "user", "content": prompt}]}
    connection.request("POST", "/v1/messages", json.dumps(body), {"authorization": f"Bearer {key}"})
    return connection, connection.getresponse()


def words(count: int) -> str:
    """A prompt whose demo answer has about so many words."""
    return " ".join(["a"] * count)


def lines_of(error_output: str) -> Sequence[str]:
    return [line for line in error_output.splitlines() if line.strip()]
