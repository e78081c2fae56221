"""Tokens of Microsoft Entra from a stand-in of its token endpoint, fetched by azure-identity."""

import time
from pathlib import Path

import pytest
from tests.proxy.waiting import until
from tests.standins.token_endpoints.entra import Application, Entra, refused
from tests.standins.token_endpoints.server import TokenServer

from gateway_config.parts import Value
from gateway_config.upstream_credentials import EntraClient, EntraCredential
from gateway_proxy.credentials.entra import entra_token
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.upstream.errors import CredentialError

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
SECRET = "client-secret-canary~+/"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.federated-canary.c2ln"
BY_SECRET = EntraCredential(
    client=EntraClient(tenant_id=TENANT, client_id=CLIENT, secret=Value(name="entra", sha256="0" * 64))
)


@pytest.fixture
def entra(tokens: TokenServer) -> Entra:
    return tokens.add(Entra(TENANT, {CLIENT: Application(secret=SECRET, federated_token=TOKEN)}))


@pytest.fixture
def federated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
    return file


async def failure(outbound: Outbound, credential: EntraCredential, *values: str) -> str:
    with pytest.raises(CredentialError) as caught:
        await entra_token(credential, values, outbound=outbound).get()
    assert "canary" not in str(caught.value)
    return str(caught.value)


async def test_a_client_secret(tokens: TokenServer, outbound: Outbound, entra: Entra) -> None:
    renewing = entra_token(BY_SECRET, (SECRET,), outbound=outbound)
    assert await renewing.get() == b"authorization: Bearer entra-token-canary-1"
    assert renewing.expires_at == pytest.approx(time.time() + 3600, abs=30)
    assert set(tokens.connects) == {"login.microsoftonline.com:443"}
    assert entra.problems == []


async def test_the_pods_federated_token_read_anew_each_time(outbound: Outbound, entra: Entra, federated: Path) -> None:
    entra.seconds = 2
    renewing = entra_token(EntraCredential(), (), outbound=outbound)
    assert await renewing.get() == b"authorization: Bearer entra-token-canary-1"
    federated.write_text("another-token\n")
    entra.applications[CLIENT].federated_token = "another-token"
    await until(lambda: renewing.counts.renewals >= 2)
    assert renewing.counts.failures == 0
    assert entra.problems == []


@pytest.mark.parametrize("missing", ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"])
async def test_a_pod_without_an_identity(
    outbound: Outbound, federated: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    assert f"no {missing}: label the pods" in await failure(outbound, EntraCredential())


async def test_refusals_are_told_with_their_code_and_the_way_out(
    outbound: Outbound, entra: Entra, federated: Path
) -> None:
    assert await failure(outbound, BY_SECRET, "wrong-canary") == (
        f"the Microsoft Entra token of client {CLIENT}: login.microsoftonline.com says invalid_client AADSTS7000215 "
        "(status 401, AADSTS7000215: Invalid client secret provided. Trace ID: 0 Correlation ID: 1 Timestamp: now): "
        "the secret is not the application's: put the secret's value, not its id, into the Secret"
    )
    federated.write_text("other-canary")
    assert "AADSTS700213" in (said := await failure(outbound, EntraCredential()))
    assert "for the pod's service account" in said
    federated.unlink()
    assert f"the pod's token {federated} cannot be read" in await failure(outbound, EntraCredential())
    entra.fails = lambda asked: refused(400, "invalid_request", 90002, f"Tenant not found, {SECRET}")
    assert "there is no such tenant" in await failure(outbound, BY_SECRET, SECRET)


async def test_answers_that_are_no_answers(outbound: Outbound, entra: Entra, federated: Path) -> None:
    entra.fails = lambda asked: (502, b"<html>bad gateway</html>")
    assert "login.microsoftonline.com says status 502" in await failure(outbound, EntraCredential())
    entra.fails = lambda asked: (200, b"<html>welcome</html>")
    assert "nothing of the answer of login.microsoftonline.com" in await failure(outbound, EntraCredential())
    entra.fails = lambda asked: (200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "a b"})
    assert "what came as a token is none" in await failure(outbound, EntraCredential())


async def test_nobody_there(outbound: Outbound, tokens: TokenServer) -> None:
    other = Outbound(tokens.egress.model_copy(update={"ca_pem": None}), outbound._all)
    assert "no connection to login.microsoftonline.com" in await failure(other, BY_SECRET, SECRET)
