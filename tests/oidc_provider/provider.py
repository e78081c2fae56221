"""node-oidc-provider, a certified OpenID provider, as the corporate identity provider of a test."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from typing import Any

from tests.npm_packages import installed, node
from tests.standins.web_person import Page

HERE = Path(__file__).parent
CLIENT_ID = "claude-gateway"
CLIENT_SECRET = "made up for the tests alone"


@dataclass(frozen=True, slots=True)
class OpenIDProvider:
    issuer: str

    def sign_in(self, page: Page, user: str) -> Page:
        """Through the provider's own pages, from the one that a redirect led to; the page that the last redirect
        leads back to."""
        asked = page.submit("Sign-in", login=user, password="any does")
        return asked.submit("Continue")


@contextmanager
def openid_provider(*, redirect_uri: str, groups: Sequence[str] = ()) -> Iterator[OpenIDProvider]:
    """Everybody may sign in, as any user, and is in `groups`."""
    folder = installed("oidc-provider", source=HERE)
    copy(HERE / "server.mjs", folder)
    port = _free_port()
    issuer = f"http://127.0.0.1:{port}"
    client: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",  # lets the test's redirect URI be http
    }
    options = json.dumps({"issuer": issuer, "port": port, "client": client, "groups": list(groups)})
    command = [*node(), "server.mjs", options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            if not any("listening" in line for line in process.stdout):
                raise AssertionError("the OpenID provider ended before it listened")
            yield OpenIDProvider(issuer)
        finally:
            process.kill()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
