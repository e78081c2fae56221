"""What is measured: the gateway, the baseline relay, nginx. Each stands between the same generator and upstream."""

import os
import shlex
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bench import configuration
from bench.manifests import Directory
from bench.processes import MeasurementError, Process, accepts, answers, free_port
from bench.providers import ANTHROPIC, Provider

GATEWAY_COMMAND = (
    "{bin}/claude-gateway-proxy --config {config} --listen {listen} --admin-listen {admin} --metrics-listen {metrics}"
)

_NGINX = """\
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_body_buffer_size 1m;
    client_max_body_size 64m;
    keepalive_requests 1000000000;
    upstream stand_in {{
        server {upstream};
        keepalive 4096;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {listen} backlog=4096;
        location / {{
            proxy_pass http://stand_in;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 600s;
        }}
    }}
}}
"""


@dataclass
class Subject:
    name: str
    address: str
    process: Process
    audit: Path | None = None
    metrics: str | None = None
    config: Path | None = None
    manifests: Directory | None = None
    seconds_to_ready: float = 0
    _open: list[IO[Any]] = field(default_factory=list)

    def pids(self) -> list[int]:
        return self.process.pids()

    def stop(self) -> None:
        self.process.kill()
        for file in self._open:
            file.close()


def _address() -> str:
    return f"127.0.0.1:{free_port()}"


def gateway(
    *,
    upstream: str,
    folder: Path,
    core: int,
    command: str = GATEWAY_COMMAND,
    policies: int = 20,
    dead_first: str | None = None,
    provider: Provider | None = None,
) -> Subject:
    """The gateway as pods run it: a bundle as the kubelet lays it, every feature on, audit lines to a file. With a
    `provider`, which is Anthropic otherwise, it has its name."""
    config = folder / "config"
    mount = configuration.Mount(
        config, upstream=upstream, policies=policies, dead_first=dead_first, provider=provider or ANTHROPIC
    )
    mount.prepare(sequence=1)
    mount.swap()
    listen, admin, metrics = _address(), _address(), _address()
    arguments = [
        part.format(
            bin=Path(sys.executable).parent,
            config=config,
            listen=listen,
            admin=admin,
            metrics=metrics,
            upstream=upstream,
        )
        for part in shlex.split(command)
    ]
    audit = folder / "audit.jsonl"
    # Kept open in append mode, so that a row can cut the file between rounds.
    lines = audit.open("ab")
    process = Process(arguments, core=core, log=folder / "gateway.log", stdout=lines)
    name = "gateway" if provider is None else provider.name
    subject = Subject(name, listen, process, audit=audit, metrics=metrics, config=config, _open=[lines])
    # Another command in the gateway's place may know no /readyz.
    _wait(subject, lambda: answers(f"http://{listen}/readyz") or answers(f"http://{listen}/readyz", status=404))
    return subject


def up(*, upstream: str, folder: Path, core: int, policies: int) -> Subject:
    """The gateway as a developer runs it, from manifests, its two processes on one core."""
    manifests = Directory(folder / "manifests", upstream=upstream, policies=policies)
    listen = _address()
    program = Path(sys.executable).parent / "claude-gateway"
    audit = (folder / "audit.jsonl").open("ab")
    began = time.monotonic()
    process = Process(
        [program, "up", manifests.path, "--listen", listen, "--state", folder / "state"],
        core=core,
        log=folder / "up.log",
        stdout=audit,
    )
    subject = Subject("up", listen, process, manifests=manifests, _open=[audit])
    _wait(subject, lambda: answers(f"http://{listen}/readyz"))
    subject.seconds_to_ready = time.monotonic() - began
    return subject


def baseline(*, upstream: str, folder: Path, core: int) -> Subject:
    listen = _address()
    script = Path(__file__).with_name("baseline_relay.py")
    process = Process(
        [sys.executable, script, "--listen", listen, "--upstream", upstream], core=core, log=folder / "baseline.log"
    )
    subject = Subject("baseline", listen, process)
    _wait(subject, lambda: accepts(listen))
    return subject


def nginx(*, upstream: str, folder: Path, core: int) -> Subject:
    """Raises MeasurementError when nginx is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise MeasurementError("nginx is not installed: apt-get install nginx-light")
    listen = _address()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(_NGINX.format(user=user, folder=folder, upstream=upstream, listen=listen))
    process = Process([program, "-e", folder / "nginx-error.log", "-c", config], core=core, log=folder / "nginx.log")
    subject = Subject("nginx", listen, process)
    _wait(subject, lambda: accepts(listen))
    return subject


def _wait(subject: Subject, ready: Any) -> None:
    try:
        subject.process.until(ready)
    except MeasurementError:
        subject.stop()
        raise
