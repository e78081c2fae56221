"""node-oidc-provider, a certified OpenID provider, as the corporate identity provider of a test.

`python -m tests.oidc_provider.provider` installs it ahead of the tests.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from typing import Any

from tests.npm_packages import installed, node
from tests.standins.ports import free_port
from tests.standins.web_person import Page

HERE = Path(__file__).parent
CLIENT_ID = "claude-gateway"
CLIENT_SECRET = "made-up-for-the-tests-alone"


@dataclass(frozen=True, slots=True)
class OpenIDProvider:
    issuer: str
    process: subprocess.Popen[str]

    def manifest(self, **members: Any) -> dict[str, Any]:
        """An entry of `identity.oidc`. The client's secret is CLIENT_SECRET, in a Secret called `idp`."""
        return {
            "name": "corporate",
            "issuer": self.issuer,
            "clientID": CLIENT_ID,
            "clientSecretRef": {"name": "idp", "key": "value"},
            "scopes": ["openid", "email", "groups", "offline_access"],
            "extraAuthParams": {"prompt": "consent"},
            **members,
        }

    def sign_in(self, page: Page, user: str) -> Page:
        """Through the provider's own pages, from the one that a redirect led to; the page that the last redirect
        leads back to."""
        asked = page.submit("Sign-in", login=user, password="any does")
        return asked.submit("Continue")

    def remove(self, user: str) -> None:
        """The user has left: unknown when this returns."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{user}\n")
        self.process.stdin.flush()
        _wait_for(self.process, f"removed {user}")


def install() -> Path:
    """The folder in which it runs, installed first where it is missing or of another version."""
    node()  # may have to be fetched
    return installed("oidc-provider", source=HERE)


@contextmanager
def openid_provider(
    *, redirect_uri: str, groups: Sequence[str] = (), host: str = "127.0.0.1", certificate: Path | None = None
) -> Iterator[OpenIDProvider]:
    """Everybody may sign in, as any user, and is in `groups`.

    certificate: a PEM file with key and certificates, for an issuer with https.
    """
    folder = install()
    copy(HERE / "server.mjs", folder)
    port = free_port(host)
    issuer = f"{'https' if certificate else 'http'}://{host}:{port}"
    client: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",  # lets the test's redirect URI be http
    }
    options = {"issuer": issuer, "host": host, "port": port, "client": client, "groups": list(groups)}
    command = [*node(), "server.mjs", json.dumps(options | {"certificate": str(certificate) if certificate else None})]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            _wait_for(process, "listening")
            yield OpenIDProvider(issuer, process)
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[str], said: str) -> None:
    assert process.stdout is not None
    if not any(said in line for line in process.stdout):
        raise AssertionError(f"the OpenID provider ended before it said {said!r}")


if __name__ == "__main__":
    install()
