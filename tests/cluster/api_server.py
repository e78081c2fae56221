"""A real etcd and kube-apiserver for the length of a test run: no root, no cluster, no network but loopback.

There are no nodes and, but for `running_controllers`, no controllers: a namespace that is deleted stays in
`Terminating`, owned objects are not collected, a Deployment makes no pods. Whoever needs pods that run takes
`tests/cluster/cluster`.
"""

from __future__ import annotations

import base64
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api_client import ApiClient
from tests.cluster.audit_log import POLICY, AuditLog

START_SECONDS = 60.0
LEASH = Path(__file__).with_name("leash.py")
ADMIN = "admin"
OPERATOR = "operator"
"""Another member of system:masters, so that the audit log tells the operator's requests from those of a test."""
CONTROLLERS = ("garbage-collector-controller", "deployment-controller", "replicaset-controller")


class StartError(Exception):
    """The API server did not come up; the message ends with its logs."""


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """A running API server. `token` is that of a member of system:masters; `kubeconfig` is for kubectl and kopf."""

    url: str
    token: str
    certificate: Path
    kubeconfig: Path
    logs: Path
    operator_kubeconfig: Path
    """As `kubeconfig`, of the user OPERATOR."""

    @property
    def client(self) -> ApiClient:
        return ApiClient(self.url, token=self.token, certificate=self.certificate)

    @property
    def audit_log(self) -> AuditLog:
        """Of a server that was started with one, from its beginning."""
        return AuditLog(self.logs / "audit.log")

    def client_of(self, user: str) -> ApiClient:
        """A client that acts as `user`, who may do only what RBAC gives them."""
        return ApiClient(self.url, token=self.token, certificate=self.certificate, user=user)


@contextmanager
def running_api_server(*, etcd: Path, kube_apiserver: Path, audit: bool = False) -> Iterator[ApiServer]:
    """Starts both and waits until the server is ready. They end with the block, and with this process, however it ends.
    With `audit` every request is written to `audit_log`.

    Any number may run at once: etcd listens on a socket in a folder of its own, and the API server's port is reserved
    by a socket of ours before and while it is used. Raises `StartError`.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="api-server-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        port = stack.enter_context(_reserved_port())
        etcd_process = stack.enter_context(_leashed(_etcd_command(etcd), folder, "etcd"))
        tokens = {user: secrets.token_hex(16) for user in (ADMIN, OPERATOR)}
        users = "".join(f'{token},{user},{user},"system:masters"\n' for user, token in tokens.items())
        _write_private(folder / "tokens.csv", users)
        _write_private(folder / "service-accounts.key", _signing_key())
        _write_private(folder / "audit.yaml", POLICY)
        command = _api_server_command(kube_apiserver, port, audit=audit)
        processes = {
            "etcd": etcd_process,
            "kube-apiserver": stack.enter_context(_leashed(command, folder, "kube-apiserver")),
        }
        server = ApiServer(
            url=f"https://127.0.0.1:{port}",
            token=tokens[ADMIN],
            certificate=folder / "certificates" / "apiserver.crt",
            kubeconfig=folder / "kubeconfig",
            logs=folder,
            operator_kubeconfig=folder / "operator.kubeconfig",
        )
        _write_private(server.kubeconfig, _kubeconfig(server, ADMIN, tokens[ADMIN]))
        _write_private(server.operator_kubeconfig, _kubeconfig(server, OPERATOR, tokens[OPERATOR]))
        _wait_until_ready(server, processes)
        yield server


@contextmanager
def running_controllers(server: ApiServer, *, kube_controller_manager: Path) -> Iterator[None]:
    """While the block runs, owned objects are collected and Deployments make pods, which no kubelet takes up.

    Install CRDs before: the garbage collector looks for new kinds every 30 seconds only.
    """
    with _leashed(_controllers_command(kube_controller_manager), server.logs, "kube-controller-manager"):
        yield


def _etcd_command(program: Path) -> list[str]:
    # etcd wants host:port of a Unix socket too, and makes a file of that name in its working directory
    client, peer = "unix://etcd:1", "unix://peer:1"
    return [
        str(program),
        "--data-dir=etcd-data",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def _api_server_command(program: Path, port: int, *, audit: bool) -> list[str]:
    return [
        str(program),
        "--etcd-servers=unix://etcd:1",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        "--permit-port-sharing",
        "--endpoint-reconciler-type=none",
        "--cert-dir=certificates",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=RBAC",
        f"--service-account-issuer=https://127.0.0.1:{port}",
        "--service-account-key-file=service-accounts.key",
        "--service-account-signing-key-file=service-accounts.key",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--disable-admission-plugins=ServiceAccount",  # nobody makes the accounts that it waits for
        *(["--audit-policy-file=audit.yaml", "--audit-log-path=audit.log"] if audit else []),
    ]


def _controllers_command(program: Path) -> list[str]:
    return [
        str(program),
        "--kubeconfig=kubeconfig",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A free loopback port that nobody else is given while the block runs.

    A socket that is bound and does not listen gets no connections, and keeps the port from being handed out; only who
    names the port and shares it (`--permit-port-sharing`) may listen there.
    """
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind(("127.0.0.1", 0))
        yield int(reservation.getsockname()[1])


@contextmanager
def _leashed(command: list[str], folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the command until the block ends or this process does; its output goes to NAME.log in the folder."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", str(LEASH), *command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the test run, which ends us in order
        )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait()


def _wait_until_ready(server: ApiServer, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + START_SECONDS
    seen = "no answer yet"
    while time.monotonic() < until:
        for name, process in processes.items():
            if process.poll() is not None:
                raise StartError(f"{name} ended with exit code {process.returncode}\n{_ends_of_logs(server.logs)}")
        if server.certificate.exists():
            try:
                answer = server.client.request("GET", "/readyz", deadline=0)
            except (OSError, http.client.HTTPException) as error:  # not listening yet, or the file is half written
                seen = repr(error)
            else:
                if answer.status == 200:
                    return
                seen = f"{answer.status}: {answer.body}"
        time.sleep(0.05)
    raise StartError(f"not ready after {START_SECONDS:g} s; /readyz: {seen}\n{_ends_of_logs(server.logs)}")


def _ends_of_logs(folder: Path) -> str:
    ends = []
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-25:]
        ends.append("\n".join([f"--- the end of {log.name} ---", *lines]))
    return "\n".join(ends)


def _signing_key() -> str:
    """A new P-256 key as PEM: SEC 1's ECPrivateKey with the curve's name and without the optional public half."""
    der = (
        b"\x30\x31\x02\x01\x01\x04\x20" + secrets.token_bytes(32) + b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
    )
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END EC PRIVATE KEY-----\n"


def _kubeconfig(server: ApiServer, user: str, token: str) -> str:
    return f"""\
apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "{server.url}", certificate-authority: "{server.certificate}"}}}}]
users: [{{name: {user}, user: {{token: "{token}"}}}}]
contexts: [{{name: test, context: {{cluster: test, user: {user}}}}}]
current-context: test
"""


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
