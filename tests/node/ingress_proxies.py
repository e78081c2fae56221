"""nginx before a gateway, set up by what the gateway's Ingress says and by nothing else."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.node.kubernetes import ADDRESS, CommandFailedError, eventually, run
from tests.standins.ports import free_port
from tests.standins.raw_client import connect

PREFIX = "nginx.ingress.kubernetes.io/"
START_SECONDS = 20.0
DIRECTIVES = {
    "proxy-buffering": "proxy_buffering {};",
    "proxy-request-buffering": "proxy_request_buffering {};",
    "proxy-http-version": "proxy_http_version {};",
    "proxy-read-timeout": "proxy_read_timeout {}s;",
    "proxy-send-timeout": "proxy_send_timeout {}s;",
    "proxy-body-size": "client_max_body_size {};",
}
"""What ingress-nginx makes of each annotation. Without one, nginx's own default holds: buffering, 60 s, 1 MB."""
OTHERS = {"backend-protocol"}
CONFIGURATION = """
user root;
worker_processes 2;
daemon off;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address}:{port}{tls};
        server_name {host};
        location {path} {{
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Scheme https;
            {directives}
            proxy_pass {scheme}://{backend};
        }}
    }}
}}
"""
TLS = """ ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate}"""


def directives(annotations: Mapping[str, str]) -> list[str]:
    """Raises KeyError for one of ingress-nginx's annotations that is not known here."""
    ours = {name.removeprefix(PREFIX): value for name, value in annotations.items() if name.startswith(PREFIX)}
    return [DIRECTIVES[name].format(value) for name, value in sorted(ours.items()) if name not in OTHERS]


class IngressProxy:
    """Debian's nginx, from `with` to its end. `port` on `ADDRESS` is where developers come in."""

    def __init__(
        self,
        ingress: Mapping[str, Any],
        *,
        backend: str,
        folder: Path,
        port: int | None = None,
        certificate: Path | None = None,
    ) -> None:
        """backend: address and port of the Service that the Ingress names. certificate: a PEM file with key and
        certificates, in place of the Secret that the Ingress names for TLS."""
        (rule,) = ingress["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        assert re.fullmatch(r"[a-z0-9.-]+", rule["host"]), rule
        annotations = ingress["metadata"]["annotations"]
        self.port = port or free_port(ADDRESS)
        self.url = f"{'https' if certificate else 'http'}://{ADDRESS}:{self.port}"
        self.text = CONFIGURATION.format(
            folder=folder,
            address=ADDRESS,
            port=self.port,
            tls=f" ssl;\n        ssl_certificate {certificate};\n        ssl_certificate_key {certificate}"
            if certificate
            else "",
            host=rule["host"],
            path=path["path"],
            directives="\n            ".join(directives(annotations)),
            scheme=annotations.get(f"{PREFIX}backend-protocol", "HTTP").lower(),
            backend=backend,
        )
        self._folder = folder
        self._file = folder / "nginx.conf"

    def __enter__(self) -> Self:
        self._file.write_text(self.text)
        command = ["nginx", "-p", str(self._folder), "-c", str(self._file)]
        run(*command, "-t")
        self._log = (self._folder / "nginx.log").open("wb")
        self._process = subprocess.Popen(command, stderr=self._log)
        try:
            eventually(self._listens, within=START_SECONDS, what="nginx listens")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise CommandFailedError((self._folder / "nginx.log").read_text())
        try:
            with connect(self.port, host=ADDRESS, timeout=2.0):
                return True
        except OSError:
            return False

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        self._log.close()
