"""`claude-gateway operator` as a real process, against a real API server.

    with running_operator(api_server, folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        ...
        operator.kill()           # SIGKILL, as a node's failure
        operator.start()          # the same identity again, as the kubelet restarts a container
        assert operator.stop() == 0

Give it namespaces of its own: the API server is shared by the whole run.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer

START_SECONDS = 30.0
STOP_SECONDS = 20.0
_PORT = re.compile(r"listening on port (\d+)")


class Probe(NamedTuple):
    status: int
    text: str


def new_namespace(api: ApiClient, prefix: str = "claude") -> str:
    """A namespace that no other test has."""
    name = f"{prefix}-{uuid4().hex[:8]}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).accepted()
    return name


class OperatorProcess:
    """One operator, which may be ended and started any number of times. Its log goes on in one file."""

    def __init__(
        self,
        *,
        kubeconfig: Path,
        folder: Path,
        namespaces: Sequence[str] = (),
        lease_namespace: str,
        identity: str,
        options: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`options`: further ones by name, such as `{"resync-seconds": 5}`. No `namespaces`: the whole cluster."""
        self.identity = identity
        self.lease_namespace = lease_namespace
        self._log = folder / f"operator-{identity}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begin = 0
        given: dict[str, object] = {
            "kubeconfig": kubeconfig,
            "listen": "127.0.0.1:0",
            "operator-namespace": lease_namespace,
            "identity": identity,
            **({"namespaces": ",".join(namespaces)} if namespaces else {}),
            **(options or {}),
        }
        arguments = [f"--{name}={value}" for name, value in given.items()]
        self._command = [sys.executable, "-m", "gateway_operator.cli.main", "operator", *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._keeper: threading.Thread | None = None
        self._keep = threading.Event()

    def start(self) -> None:
        assert not self.running, "it runs already"
        self._log_begin = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the test run
            )

    def keep_running(self) -> None:
        """From now on it is started anew whenever it ends by itself, as the kubelet does; until `stop` or `kill`."""
        self._keep.set()
        self._keeper = threading.Thread(target=self._restart_when_ended, daemon=True)
        self._keeper.start()

    def _restart_when_ended(self) -> None:
        while self._keep.is_set():
            process = self._process
            assert process is not None
            try:
                process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
            if self._keep.is_set():
                self.start()

    def _let_go(self) -> None:
        self._keep.clear()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Of the last run; None while it runs. Negative: the signal that killed it."""
        return self._process.poll() if self._process else None

    def wait_for_exit(self, *, within: float = STOP_SECONDS) -> int:
        assert self._process is not None
        try:
            return self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the operator did not end within {within:g} s\n{self.tail()}") from None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: the Lease stays taken."""
        self._let_go()
        if self.running:
            self.signal(signal.SIGKILL)
            self.wait_for_exit()

    def stop(self) -> int:
        """SIGTERM: the Lease is given back. The exit code."""
        self._let_go()
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait_for_exit()

    @property
    def log_text(self) -> str:
        """Everything that was ever written, all runs together."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log lines of all runs. Whatever is not one of its JSON lines has only a `message`, and no `level`."""
        return [_parsed(line) for line in self.log_text.splitlines()]

    def tail(self, lines: int = 25) -> str:
        return "\n".join(["--- the end of the operator's log ---", *self.log_text.splitlines()[-lines:]])

    @property
    def port(self) -> int | None:
        """Where this run listens; None before it does."""
        if not self._log.exists():
            return None
        with self._log.open(errors="replace") as log:
            log.seek(self._log_begin)
            found = _PORT.search(log.read())
        return int(found[1]) if found else None

    def probe(self, path: str, *, timeout: float = 5.0) -> Probe | None:
        """What /livez, /readyz or /metrics say; None where nothing answers."""
        if self.port is None:
            return None
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Probe(response.status, response.read().decode())
        except OSError:
            return None
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of one series, such as `claude_gateway_operator_leading`; None where there is none."""
        probe = self.probe("/metrics")
        for line in (probe.text if probe else "").splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{key}="{text}"' in series for key, text in labels.items()):
                return float(value)
        return None

    def keep_metrics(self) -> None:
        """Puts down what /metrics says, beside the log, for the search for secret values."""
        probe = self.probe("/metrics", timeout=1.0) if self.running else None
        if probe is not None:
            self._log.with_suffix(".metrics").write_text(probe.text)

    @property
    def leads(self) -> bool:
        return self.metric("claude_gateway_operator_leading") == 1

    def is_ready(self) -> bool:
        probe = self.probe("/readyz")
        return probe is not None and probe.status == 200

    def wait_until_ready(self, *, within: float = START_SECONDS) -> None:
        """Leading and synced, or on standby."""
        self._wait(self.is_ready, within=within, what="the operator is ready")

    def wait_until_synced(self, *, within: float = START_SECONDS) -> None:
        """Leading, and every gateway has been reconciled once."""
        self._wait(lambda: self.leads and self.is_ready(), within=within, what="the operator leads and is synced")

    def _wait(self, look: Any, *, within: float, what: str) -> None:
        def looked() -> bool:
            if not self.running and not self._keep.is_set():
                raise RuntimeError(f"the operator ended with {self.exit_code}\n{self.tail()}")
            return bool(look())

        try:
            eventually(looked, within=within, what=what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {self.probe('/readyz')}\n{self.tail()}") from None


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": line}


@contextmanager
def running_operator(
    server: ApiServer,
    *,
    folder: Path,
    namespaces: Sequence[str] = (),
    lease_namespace: str | None = None,
    identity: str | None = None,
    options: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[OperatorProcess]:
    """Starts one, and kills it at the end of the block. The Lease is in a new namespace where none is given: two
    operators that are to meet take the same."""
    operator = OperatorProcess(
        kubeconfig=server.kubeconfig,
        folder=folder,
        namespaces=namespaces,
        lease_namespace=lease_namespace or new_namespace(server.client, "operator"),
        identity=identity or f"pod-{uuid4().hex[:8]}",
        options=options,
        environment=environment,
    )
    operator.start()
    try:
        yield operator
    finally:
        operator.keep_metrics()
        operator.kill()
