"""A developer signs in: the client's own screens in a terminal, the gateway's and the provider's pages in a browser."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.client.managed_machine import ManagedMachine
from tests.oidc_provider.provider import OpenIDProvider
from tests.standins.web_person import Page, WebPerson


class Consenting:
    """The stand-in of an identity provider, which asks nothing: its redirect has led back already."""

    def sign_in(self, page: Page, user: str) -> Page:
        return page


def managed_settings(url: str) -> dict[str, Any]:
    """What an organization puts on its developers' machines so that the client signs in at its gateway."""
    return {"forceLoginMethod": "gateway", "forceLoginGatewayUrl": url}


def sign_in(
    machine: ManagedMachine,
    provider: OpenIDProvider | Consenting,
    user: str,
    *,
    url: str,
    person: WebPerson | None = None,
) -> str:
    """As `user`; `person`: with a browser that trusts the gateway's and the provider's certificates. Returns the
    client's last screen before the code was typed in, with the login notice."""
    with machine.terminal() as terminal:
        terminal.leave("Choose the text style")
        terminal.leave("Enter to connect")
        if "Trust gateway" in terminal.wait_for("Trust gateway", "Waiting for sign-in"):
            terminal.choose("Yes, trust this gateway")
        screen = terminal.wait_for("Waiting for sign-in")
        code = re.search(r"Code:\s+([A-Z]{4}-[A-Z]{4})", screen)
        assert code, screen
        page = (person or WebPerson()).open(f"{url}/device").submit("Continue", user_code=code[1])
        done = provider.sign_in(page, user)
        assert done.status == 200, done.text
        assert "terminal" in done.text
        terminal.wait_for(f"Signed in to Cloud gateway as {user}@corp.example")
        terminal.choose("Yes, continue")
        terminal.wait_for("Connected to Cloud gateway")
    return screen


def login_of(machine: ManagedMachine) -> dict[str, Any]:
    """The login that the client keeps."""
    found: dict[str, Any] = json.loads(machine.credentials.read_text())["enterpriseGateway"]
    return found


def let_expire(machine: ManagedMachine) -> None:
    """The client takes its access token for expired from now on."""
    stored = json.loads(machine.credentials.read_text())
    stored["enterpriseGateway"]["expiresAt"] = 0
    machine.credentials.write_text(json.dumps(stored))
