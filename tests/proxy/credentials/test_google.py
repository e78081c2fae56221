"""Tokens of Google Cloud from stand-ins of its token endpoints, fetched by google-auth."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from google.auth.compute_engine import _metadata
from tests.proxy.waiting import until
from tests.standins.identity_provider import private_key
from tests.standins.token_endpoints.google import Impersonation, Metadata, OAuth, Project, SecurityTokens, refused
from tests.standins.token_endpoints.server import TokenServer

from gateway_config.parts import Value
from gateway_config.upstream_credentials import GoogleCredential
from gateway_proxy.credentials.google import google_token
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.upstream.errors import CredentialError

EMAIL = "vertex@project.iam.gserviceaccount.com"
TARGET = "target@project.iam.gserviceaccount.com"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/corp"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.subject-canary.c2ln"
SECRET = Value(name="vertex", sha256="0" * 64)
BY_FILE = GoogleCredential(service_account=SECRET)
KEY = private_key("google")


def service_account(**other: Any) -> dict[str, Any]:
    pem = KEY.as_pem(private=True).decode()
    return {"type": "service_account", "client_email": EMAIL, "private_key": pem, "private_key_id": "1", **other}


@pytest.fixture
def project() -> Project:
    return Project(keys={EMAIL: KEY}, subject_tokens={POOL: TOKEN})  # type: ignore[dict-item]


@pytest.fixture
def oauth(tokens: TokenServer, project: Project) -> OAuth:
    return tokens.add(OAuth(project))


@pytest.fixture
def impersonation(tokens: TokenServer, project: Project) -> Impersonation:
    return tokens.add(Impersonation(project))


@pytest.fixture
def metadata(tokens: TokenServer, project: Project, monkeypatch: pytest.MonkeyPatch) -> Metadata:
    host = tokens.url.removeprefix("http://")
    monkeypatch.setenv("GCE_METADATA_HOST", host)
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)  # read as the library is imported
    return tokens.add(Metadata(project))


@pytest.fixture
def pool_file(tokens: TokenServer, project: Project, tmp_path: Path) -> dict[str, Any]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    return {
        "type": "external_account",
        "audience": POOL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(token)},
    }


def token_of(outbound: Outbound, file: Any, **other: Any):  # type: ignore[no-untyped-def]
    text = file if isinstance(file, str) else json.dumps(file)
    return google_token(GoogleCredential(service_account=SECRET, **other), (text,), outbound=outbound)


async def failure(outbound: Outbound, credential: GoogleCredential, *files: Any) -> str:
    values = [each if isinstance(each, str) else json.dumps(each) for each in files]
    with pytest.raises(CredentialError) as caught:
        await google_token(credential, values, outbound=outbound).get()
    assert "canary" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)
    return str(caught.value)


async def test_a_service_accounts_key_signs_for_a_token(tokens: TokenServer, outbound: Outbound, oauth: OAuth) -> None:
    renewing = token_of(outbound, service_account())
    assert await renewing.get() == b"authorization: Bearer ya29.google-token-canary-1"
    assert renewing.expires_at == pytest.approx(time.time() + 3600, abs=30)
    assert tokens.connects == ["oauth2.googleapis.com:443"]
    assert oauth.problems == []


async def test_a_key_may_name_another_token_endpoint(tokens: TokenServer, outbound: Outbound, project: Project) -> None:
    oauth = tokens.add(OAuth(project, "https://oauth2.corp.example/token"))
    assert await token_of(outbound, service_account(token_uri="https://oauth2.corp.example/token")).get()
    assert oauth.problems == []


async def test_a_key_reads_no_file_of_the_pod(outbound: Outbound, oauth: OAuth, tmp_path: Path) -> None:
    """A file that a key's own may name, such as an endless one, is not opened."""
    named = tmp_path / "not-there"
    assert await token_of(outbound, service_account(credential_source={"file": str(named)})).get()
    assert oauth.problems == []


async def test_the_pods_own_identity(tokens: TokenServer, outbound: Outbound, metadata: Metadata) -> None:
    renewing = google_token(GoogleCredential(), (), outbound=outbound)
    assert await renewing.get() == b"authorization: Bearer ya29.google-token-canary-1"
    assert metadata.problems == []
    assert tokens.connects == [], "the metadata server is asked by no forward proxy"


async def test_a_file_that_the_pods_environment_names_is_its_identity(
    outbound: Outbound, metadata: Metadata, oauth: OAuth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "adc.json"
    file.write_text(json.dumps(service_account()))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    assert await google_token(GoogleCredential(), (), outbound=outbound).get()
    assert (len(oauth.asked), len(metadata.asked)) == (1, 0)
    file.unlink()
    assert f"{file} cannot be read: FileNotFoundError" in await failure(outbound, GoogleCredential())


async def test_a_workload_identity_pool_takes_the_token_read_anew_each_time(
    tokens: TokenServer, outbound: Outbound, project: Project, pool_file: dict[str, Any]
) -> None:
    sts = tokens.add(SecurityTokens(project))
    sts.seconds = 2
    renewing = token_of(outbound, pool_file)
    assert await renewing.get() == b"authorization: Bearer ya29.google-token-canary-1"
    Path(pool_file["credential_source"]["file"]).write_text("another-token")
    project.subject_tokens[POOL] = "another-token"
    await until(lambda: renewing.counts.renewals >= 2)
    assert renewing.counts.failures == 0
    assert tokens.connects[0] == "sts.googleapis.com:443"
    assert sts.problems == []


async def test_a_pools_file_may_impersonate_by_itself(
    tokens: TokenServer, outbound: Outbound, project: Project, pool_file: dict[str, Any], impersonation: Impersonation
) -> None:
    sts = tokens.add(SecurityTokens(project))
    project.impersonators[TARGET] = {POOL}
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{TARGET}:generateAccessToken"
    renewing = token_of(outbound, pool_file | {"service_account_impersonation_url": url})
    assert await renewing.get() == b"authorization: Bearer ya29.google-token-canary-2"
    assert sts.problems + impersonation.problems == []


async def test_impersonation_from_a_key_and_from_the_pods_identity(
    outbound: Outbound, project: Project, oauth: OAuth, metadata: Metadata, impersonation: Impersonation
) -> None:
    project.impersonators[TARGET] = {EMAIL, Metadata.EMAIL}
    assert await token_of(outbound, service_account(), impersonate=TARGET).get()
    renewing = google_token(GoogleCredential(impersonate=TARGET), (), outbound=outbound)
    assert project.tokens[(await renewing.get()).removeprefix(b"authorization: Bearer ").decode()] == TARGET
    assert oauth.problems + impersonation.problems == []
    project.impersonators[TARGET] = set()
    assert await failure(outbound, GoogleCredential(impersonate=TARGET)) == (
        f"the Google Cloud token of the pod as {TARGET}: iamcredentials.googleapis.com says PERMISSION_DENIED (status "
        "403, Permission 'iam.serviceAccounts.getAccessToken' denied): grant this identity "
        "roles/iam.serviceAccountTokenCreator, or for a workload identity roles/iam.workloadIdentityUser, on the "
        "service account, and enable iamcredentials.googleapis.com"
    )


async def test_a_users_file(outbound: Outbound, oauth: OAuth) -> None:
    oauth.refresh_token = "refresh-canary"
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "canary", "refresh_token": "refresh-canary"}
    assert await token_of(outbound, user).get()
    oauth.refresh_token = None
    said = await failure(outbound, BY_FILE, user)
    assert "oauth2.googleapis.com says invalid_grant (status 400, Token has been expired or revoked)" in said


async def test_a_file_that_impersonates_from_a_users(
    outbound: Outbound, project: Project, oauth: OAuth, impersonation: Impersonation
) -> None:
    oauth.refresh_token = "refresh-canary"
    project.impersonators[TARGET] = {"a user"}
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "canary", "refresh_token": "refresh-canary"}
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{TARGET}:generateAccessToken"
    file = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": url,
        "source_credentials": user,
    }
    assert project.tokens[(await token_of(outbound, file).get()).rpartition(b" ")[2].decode()] == TARGET
    assert oauth.problems + impersonation.problems == []


async def test_refusals_are_told_with_their_code_and_the_way_out(
    tokens: TokenServer, outbound: Outbound, project: Project, oauth: OAuth, pool_file: dict[str, Any]
) -> None:
    project.keys.clear()
    assert await failure(outbound, BY_FILE, service_account()) == (
        f"the Google Cloud token of {EMAIL}: oauth2.googleapis.com says invalid_grant (status 400, Invalid JWT "
        "Signature): the key is no longer the service account's, or this machine's clock is wrong: create a new key, "
        "or sign in anew for a user's file"
    )
    tokens.add(SecurityTokens(project))
    assert "says invalid_target" in await failure(outbound, BY_FILE, pool_file | {"audience": "//other"})
    oauth.fails = lambda asked: refused(401, "UNAUTHENTICATED", f"no: {TOKEN}")
    assert "UNAUTHENTICATED (status 401, no: [masked])" in await failure(outbound, BY_FILE, service_account())


async def test_a_metadata_server_that_refuses_or_is_not_there(outbound: Outbound, metadata: Metadata) -> None:
    metadata.fails = lambda asked: (403, b"Unable to generate access token; IAM returned 403 Forbidden")
    said = await failure(outbound, GoogleCredential())
    assert "127.0.0.1 says status 403 (Unable to generate access token; IAM returned 403 Forbidden)" in said
    metadata.fails = lambda asked: (503, b"")
    assert "says status 503" in await failure(outbound, GoogleCredential())


async def test_the_real_metadata_server_is_out_of_a_credential_files_reach(
    outbound: Outbound, tokens: TokenServer, pool_file: dict[str, Any]
) -> None:
    source = {"url": "http://metadata.google.internal/computeMetadata/v1/x", "headers": {"Metadata-Flavor": "Google"}}
    said = await failure(outbound, BY_FILE, pool_file | {"credential_source": source})
    assert "no connection to metadata.google.internal: " in said
    assert "the metadata service of a cloud" in said
    assert tokens.connects == []


@pytest.mark.parametrize(
    "file",
    ["canary", "[]", "{}", {"type": "canary"[:3]}, service_account(private_key="canary"), {"type": "external_account"}],
)
async def test_a_secret_that_holds_no_credential_file(outbound: Outbound, file: Any) -> None:
    assert (await failure(outbound, BY_FILE, file)).startswith("the Google Cloud token")


async def test_a_key_that_is_none_is_told_of(outbound: Outbound, oauth: OAuth) -> None:
    for key in ("canary", 7, None, private_key("ec", "ES256").as_pem(private=True).decode()):
        said = await failure(outbound, BY_FILE, service_account(private_key=key))
        assert said == f"the Google Cloud token of {EMAIL}: private_key is no RSA key in PEM form: create the key anew"
    assert oauth.asked == []


@pytest.mark.parametrize("name", ["", "a" * 70_000, "a\nb", 7, None])
async def test_a_name_that_is_none_stands_in_no_message(outbound: Outbound, name: Any) -> None:
    said = await failure(outbound, BY_FILE, service_account(client_email=name, private_key="canary"))
    assert said.startswith("the Google Cloud token of the credential file: private_key")


async def test_a_pool_whose_token_is_not_there(
    outbound: Outbound, tokens: TokenServer, project: Project, pool_file: dict[str, Any]
) -> None:
    tokens.add(SecurityTokens(project))
    file = Path(pool_file["credential_source"]["file"])
    file.unlink()
    assert f"the pod's token {file} cannot be read: FileNotFoundError" in await failure(outbound, BY_FILE, pool_file)


async def test_answers_that_are_no_answers(outbound: Outbound, oauth: OAuth) -> None:
    oauth.fails = lambda asked: (200, b"<html>welcome</html>")
    assert "nothing of the answer of oauth2.googleapis.com" in await failure(outbound, BY_FILE, service_account())
    oauth.fails = lambda asked: (200, {"access_token": "a b", "expires_in": 3600})
    assert "what came as a token is none" in await failure(outbound, BY_FILE, service_account())
    oauth.fails = lambda asked: (502, b"<html>bad gateway</html>")
    assert "oauth2.googleapis.com says status 502" in await failure(outbound, BY_FILE, service_account())
