"""A real `claude-gateway-proxy` process, its configuration as the kubelet would mount it, and everything it says."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.standins import framing
from tests.standins.manifests import Manifest, compiled, key_of
from tests.standins.raw_client import Connection, Response, fetch, request_bytes

from gateway_config import bundle
from gateway_operator.local import mount

DEADLINE = 20.0
ALICE = "alice@corp.example"
ADMIN_TOKEN = "admin-token-canary-c2a9"


def eventually(condition: Callable[[], Any], *, what: str, deadline: float = DEADLINE) -> Any:
    """The first true value of `condition`, which is looked at until the deadline."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        assert time.monotonic() < end, f"it never came to this: {what}"
        time.sleep(0.01)
    return value


def _json_lines(text: str) -> list[dict[str, Any]]:
    """The whole lines of a log; one that is not JSON fails the test."""
    lines = text[: text.rfind("\n") + 1].split("\n")[:-1]
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise AssertionError(f"a log line is not JSON: {lines}") from error


class Gateway:
    """One proxy process. `load` hands it manifests; the first call must come before `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mount = folder / "config"
        folder.mkdir(parents=True)
        self.port = self.admin_port = self.metrics_port = 0
        self.tls: ssl.SSLContext | None = None
        """For clients of a gateway that is started with `--tls-dir`."""
        self._sequence = 0
        self._loaded: list[Manifest] = []
        self._clients: list[Connection] = []
        self._stdout = folder / "audit.jsonl"
        self._stderr = folder / "log.jsonl"
        self._audit_start = self._log_start = 0
        self._token_file = folder / "admin-token"
        self._token_file.write_text(ADMIN_TOKEN)
        self.process: subprocess.Popen[bytes] | None = None

    # --- configuration ---------------------------------------------------------------------------

    def load(self, manifests: Iterable[Manifest], *, wait: bool = True) -> str:
        """Mounts what the compiler makes of the manifests. Returns the revision; waits until it is in force."""
        self._loaded = list(manifests)
        result = compiled(self._loaded)
        assert result.configuration is not None
        self._sequence += 1
        files = bundle.pack(result.configuration, credentials=result.credentials, sequence=self._sequence)
        self.mount_files(files)
        revision: str = json.loads(files[bundle.INDEX_FILE])["revision"]
        if wait and self.running:
            self.wait_for_sequence(self._sequence)
        return revision

    def begin_test(self, manifests: list[Manifest]) -> None:
        """Brings a process that several tests share back to these manifests, and forgets what it said before."""
        if not self.running:
            self.load(manifests)
            self.start()
        elif self._loaded != manifests:
            self.load(manifests)
        self._audit_start, self._log_start = (
            file.read_bytes().rfind(b"\n") + 1 for file in (self._stdout, self._stderr)
        )

    def end_test(self) -> None:
        """What holds for every test: nothing blew up, and everything it said was JSON."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        assert "Traceback" not in self.log_text()
        self.logs()
        self.audit()

    def mount_files(self, files: Mapping[str, bytes]) -> None:
        mount.write(self.mount, files)

    def continue_from(self, sequence: int) -> None:
        """Says that the test has mounted files of its own up to this sequence number."""
        self._sequence, self._loaded = sequence, []

    def wait_for_sequence(self, sequence: int) -> None:
        eventually(lambda: self.status()["sequence"] == sequence, what=f"sequence {sequence} loaded: {self.status()}")

    @property
    def loaded(self) -> list[Manifest]:
        """The manifests in force."""
        return self._loaded

    # --- the process -----------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None, ready: bool = True) -> None:
        command = [
            *(str(Path(sys.executable).with_name("claude-gateway-proxy")), "--config", str(self.mount)),
            *("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"),
            *("--admin-token-file", str(self._token_file)),
            *arguments,
        ]
        with self._stdout.open("ab") as stdout, self._stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=os.environ | (environment or {})
            )
        said = eventually(self._listening, what="the proxy listening")
        ports = [int(said[name].rpartition(":")[2]) for name in ("listen", "admin", "metrics")]
        self.port, self.admin_port, self.metrics_port = ports
        if ready:
            eventually(lambda: self.answers("/readyz"), what="the proxy ready")

    def _listening(self) -> dict[str, Any] | None:
        """The log line of this process that names its addresses."""
        assert self.running, f"the proxy ended; its log:\n{self.log_text()}"
        return next((one for one in self.logs() if one.get("event") == "listening" and one["pid"] == self.pid), None)

    def answers(self, path: str) -> bool:
        """Whether a GET is answered 200; nobody listening is no."""
        try:
            return self.get(path).status == 200
        except OSError:
            return False

    def signal(self, name: str) -> None:
        assert self.process is not None
        self.process.send_signal(signal.Signals[name])

    def wait_for_exit(self, deadline: float = DEADLINE) -> int:
        assert self.process is not None
        return self.process.wait(deadline)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE)

    def resident_bytes(self) -> int:
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @staticmethod
    def key(user: str = ALICE) -> str:
        return key_of(user)

    # --- asking it -------------------------------------------------------------------------------

    def get(self, target: str, *, headers: framing.Headers = ()) -> Response:
        return fetch(self.port, "GET", target, headers=headers, tls=self.tls)

    def messages(
        self,
        body: bytes,
        *,
        user: str = ALICE,
        target: str = "/v1/messages?beta=true",
        headers: framing.Headers = (),
    ) -> Response:
        """One inference request of a user with a developer key, on a connection of its own."""
        given = [*self.headers(user), *framing.pairs(headers)]
        return fetch(self.port, "POST", target, headers=given, body=body, tls=self.tls)

    def begin(self, body: bytes, *, user: str = ALICE, headers: framing.Headers = ()) -> Connection:
        """Sends an inference request and leaves the answer to be read. Closed at the test's end at the latest."""
        connection = Connection(self.port, tls=self.tls)
        self._clients.append(connection)
        given = [*self.headers(user), *framing.pairs(headers)]
        connection.send(request_bytes("POST", "/v1/messages?beta=true", given, body))
        return connection

    @staticmethod
    def headers(user: str = ALICE) -> list[tuple[str, str]]:
        return [
            ("authorization", f"Bearer {key_of(user)}"),
            ("content-type", "application/json"),
            ("anthropic-version", "2023-06-01"),
        ]

    # --- what it says of itself ------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        answer = fetch(self.admin_port, "GET", "/status", headers=[("authorization", f"Bearer {ADMIN_TOKEN}")])
        assert answer.status == 200, answer
        value: dict[str, Any] = answer.json()
        return value

    def metrics_text(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=DEADLINE) as answer:
            return str(answer.read().decode())

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        families = text_string_to_metric_families(self.metrics_text())
        return [(one.name, one.labels, one.value) for family in families for one in family.samples]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that carry these labels."""
        return sum(
            value for sample, given, value in self.samples() if sample == name and labels.items() <= given.items()
        )

    def log_text(self) -> str:
        """Of this test."""
        return self._stderr.read_bytes()[self._log_start :].decode()

    def logs(self) -> list[dict[str, Any]]:
        return _json_lines(self.log_text())

    def log_of(self, event: str, **members: Any) -> dict[str, Any]:
        """The first line of this test's log with this event and these members, once it is written."""
        wanted = members | {"event": event}
        line: dict[str, Any] = eventually(
            lambda: next((one for one in self.logs() if wanted.items() <= one.items()), None),
            what=f"a log line {wanted}",
        )
        return line

    def audit_text(self) -> str:
        """Of this test."""
        return self._stdout.read_bytes()[self._audit_start :].decode()

    def audit(self, event: str | None = None) -> list[dict[str, Any]]:
        """The audit lines so far; a line that is not JSON fails the test."""
        lines = _json_lines(self.audit_text())
        return [line for line in lines if event is None or line["event"] == event]

    def audit_of(self, answer: Response) -> dict[str, Any]:
        """The audit line of the request that this is the answer to."""
        wanted = answer.header("x-request-id")
        line: dict[str, Any] = eventually(
            lambda: next((one for one in self.audit() if one.get("request_id") == wanted), None),
            what=f"an audit line of request {wanted}",
        )
        return line

    def wait_for_audit(self, count: int, event: str = "inference") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = eventually(
            lambda: len(lines := self.audit(event)) >= count and lines, what=f"{count} audit lines of {event}"
        )
        return found
