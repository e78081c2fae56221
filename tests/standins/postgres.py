"""A private Postgres: the distribution's, installed where it is missing, as an unprivileged user on a free port."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trustme
from tests.cluster.api_server import LEASH
from tests.standins.ports import free_port

TESTS = Path(__file__).parents[1]
INITDB = "/usr/lib/postgresql/*/bin/initdb"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
USER = "gateway"
"""Owns every database; not a superuser."""
_SETTINGS = {"fsync": "off", "max_connections": "60", "shared_buffers": "16MB", "ssl": "on"}


def programs() -> Path:
    """The folder of Postgres' own programs, installed where they are missing: that may take minutes."""
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    found = sorted(Path("/").glob(INITDB[1:]))
    if not found:
        subprocess.run([TESTS / "packages", "install", f"{INITDB}=postgresql"], check=True)
        found = sorted(Path("/").glob(INITDB[1:]))
    return found[-1].parent


class PostgresServer:
    """A server that asks for a password. Its certificate, for localhost and its address unless `certified` names
    another host, is of `ca_pem`."""

    def __init__(self, address: str = "127.0.0.1", *, certified: str | None = None) -> None:
        self.address = address
        self.password = f"pw-canary-{secrets.token_hex(8)}"
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._data = self.folder / "data"
        self._programs = programs()
        self._leash: subprocess.Popen[bytes] | None = None
        self._as_user: list[str] = []
        self._databases = 0
        self.port = free_port(address)
        authority = trustme.CA()
        self.ca_pem = authority.cert_pem.bytes().decode()
        certificate = authority.issue_cert(*([certified] if certified is not None else ["localhost", address]))
        (self.folder / "key.pem").write_bytes(certificate.private_key_pem.bytes())
        (self.folder / "chain.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        (self.folder / "password").write_text(self.password)
        (self.folder / "key.pem").chmod(0o600)
        if os.getuid() == 0:  # Postgres refuses to be root
            nobody = pwd.getpwnam("nobody")
            self._as_user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        self._run("initdb", "-D", str(self._data), "-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "-N",
                  "--locale=C", "--pwfile", str(self.folder / "password"))  # fmt: skip
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        self.start()
        self.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{self.password}'")

    def start(self) -> None:
        settings = _SETTINGS | {
            "port": str(self.port),
            "listen_addresses": self.address,
            "unix_socket_directories": str(self.folder),
            "ssl_cert_file": str(self.folder / "chain.pem"),
            "ssl_key_file": str(self.folder / "key.pem"),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [sys.executable, "-I", str(LEASH), *self._as_user, str(self._programs / "postgres")]
        with (self.folder / "log").open("ab") as log:
            self._leash = subprocess.Popen(
                [*command, "-D", str(self._data), *options], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._accepts():
            running = self._leash.poll() is None and time.monotonic() < deadline
            assert running, f"Postgres did not start:\n{(self.folder / 'log').read_text()}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends it at once, and every connection with it."""
        if self._leash is None:
            return
        os.kill(self._postmaster, signal.SIGINT)
        self._leash.wait(STOP_SECONDS)
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        self._leash = None

    def pause(self) -> None:
        """Leaves every connection as it is, and answers nothing more."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self) -> str:
        """The name of a new, empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.sql(f"CREATE DATABASE {name} OWNER {USER} TEMPLATE template0")
        return name

    def url(self, database: str, *, user: str = USER, host: str = "localhost", parameters: str = "") -> str:
        return f"postgresql://{user}:{self.password}@{host}:{self.port}/{database}{parameters}"

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """What the superuser's statement prints: columns with | between, one row a line."""
        address = self.url(database, user="postgres", host=self.address)
        return self._run("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", statement, address).strip()

    @property
    def _postmaster(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _signal(self, number: signal.Signals) -> None:
        """To the server and its processes, one for each connection."""
        children = subprocess.run(["pgrep", "-P", str(self._postmaster)], capture_output=True, text=True).stdout
        for process in (self._postmaster, *map(int, children.split())):
            os.kill(process, number)

    def _accepts(self) -> bool:
        command = [self._programs / "pg_isready", "-q", "-h", self.address, "-p", str(self.port)]
        return subprocess.run(command, timeout=START_SECONDS).returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        command = [*self._as_user, str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, cwd=self.folder)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout
