"""The examples of sign-ins from the sign-in to the end of the session: a developer, an admin, and a restart between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from tests.local import running
from tests.local.running import Up, up, write
from tests.standins.gateway import eventually
from tests.standins.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from tests.standins.ports import free_port
from tests.standins.postgres import PostgresServer
from tests.standins.raw_client import Response, fetch
from tests.standins.web_person import WebPerson

FORM = [("content-type", "application/x-www-form-urlencoded")]
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as provider:
        yield provider
        assert provider.problems == []


def copied(example: str, folder: Path, replaced: dict[str, str]) -> Path:
    files = {path.name: path.read_text() for path in (Path("examples") / example).glob("*.yaml")}
    for before, after in replaced.items():
        assert before in files["gateway.yaml"], before
        files["gateway.yaml"] = files["gateway.yaml"].replace(before, after)
    return write(folder, files)


def serving(manifests: Path, port: int, idp: IdentityProvider, **secrets: str) -> AbstractContextManager[Up]:
    """`secrets`: values by variable, which is the Secret's name and key in upper case."""
    idp.redirect_uri = f"http://127.0.0.1:{port}/oauth/callback"
    names = {"OKTA": "okta/client-secret", "CORP_IDP": "corp-idp/client-secret", "GATEWAY_DB": "gateway-db/url"}
    options = [f"--secret-env={names[variable]}={variable}" for variable in secrets]
    return up(manifests, "--listen", f"127.0.0.1:{port}", "--demo", *options, **secrets)


def post(gateway: Up, path: str, **fields: str) -> Response:
    return fetch(gateway.port, "POST", path, headers=FORM, body=urlencode(fields).encode())


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def sign_in(gateway: Up) -> str:
    """A session token."""

    def stored() -> bool:
        """The tables of a new store are made in the background."""
        return b"\nclaude_gateway_store_available 1.0" in fetch(port_of(gateway.row("metrics")), "GET", "/metrics").body

    eventually(stored, what="the store is there")
    device = post(gateway, "/oauth/device_authorization").json()
    page = WebPerson().open(f"{gateway.url}/device").submit("Continue", user_code=device["user_code"])
    assert page.status == 200, page.text
    answer = post(gateway, "/oauth/token", grant_type=GRANT, device_code=device["device_code"])
    token: str = answer.json()["access_token"]
    return token


def test_sign_in_restart_and_the_end_of_it(tmp_path: Path, idp: IdentityProvider) -> None:
    port = free_port()
    manifests = copied("05-sign-in", tmp_path / "m", {"http://127.0.0.1:9400": idp.issuer})
    made = running.run("key", "create", "ops", "--admin", "--gateway", "corp", "--namespace", "claude")
    write(manifests, {"admin-key-ops.yaml": made.stdout})
    with serving(manifests, port, idp, CORP_IDP=CLIENT_SECRET) as gateway:
        token = sign_in(gateway)
        assert running.ask(port, token, model="claude-opus-5-5")[0] == 200, "engineering, says the identity provider"
    with serving(manifests, port, idp, CORP_IDP=CLIENT_SECRET) as gateway:
        assert running.ask(port, token)[0] == 200, "the key and the store outlive a run"

        def session(*arguments: str) -> Any:
            admin = {"CLAUDE_GATEWAY_URL": gateway.url, "CLAUDE_GATEWAY_ADMIN_KEY": made.stderr}
            result = running.run("session", *arguments, "-o", "json", **admin)
            assert result.returncode == 0, result.stderr
            return json.loads(result.stdout)

        (row,) = session("list", "--user", "alice@corp.example")["data"]
        assert (row["user"], row["provider"], row["revoked_at"]) == ("00u-alice", "corp-idp", None)
        assert session("list", "--user", "bob@corp.example") == {"data": []}
        assert session("revoke", row["id"]) == {"revoked": 1}
        eventually(lambda: running.ask(port, token)[0] == 401, what="the session is refused")
        assert session("revoke", "--all") == {"revoked": 0}


def test_sessions_in_postgres_with_an_authority_of_ones_own(tmp_path: Path, idp: IdentityProvider) -> None:
    port = free_port()
    database = "urlSecretRef: {name: gateway-db, key: url}"
    authority = f"{database}\n      caRef: {{kind: ConfigMap, name: db-ca, key: ca.crt}}"
    replaced = {"https://corp.okta.com": idp.issuer, "0oa1b2c3d4": CLIENT_ID, database: authority}
    manifests = copied("06-postgres", tmp_path / "m", replaced)
    server = PostgresServer()
    try:
        metadata = {"name": "db-ca", "namespace": "claude"}
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": server.ca_pem}}
        write(manifests, {"db-ca.json": json.dumps(config_map)})
        url = server.url(server.database(), parameters="?sslmode=verify-full")
        with serving(manifests, port, idp, OKTA=CLIENT_SECRET, GATEWAY_DB=url) as gateway:
            assert running.ask(port, sign_in(gateway))[0] == 200
            assert server.password not in "\n".join(gateway.lines)
    finally:
        server.remove()
