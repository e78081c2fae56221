"""Credentials of AWS from stand-ins of STS and of metadata services, fetched by botocore."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from tests.proxy.waiting import until
from tests.standins.sigv4 import Keys
from tests.standins.token_endpoints.aws import STS, Account, InstanceMetadata, PodIdentityAgent, Role, refused
from tests.standins.token_endpoints.server import TokenServer

from gateway_config.parts import Value
from gateway_config.upstream_credentials import AWSCredential
from gateway_proxy.credentials.aws import aws_credentials
from gateway_proxy.credentials.sigv4 import FrozenAWS
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.upstream.errors import CredentialError

REGION = "eu-central-1"
ROLE = "arn:aws:iam::111122223333:role/bedrock"
POD_ROLE = "arn:aws:iam::111122223333:role/pod"
SECRET = Value(name="aws", sha256="0" * 64)
LONG_TERM = json.dumps({"accessKeyID": "AKIAEXAMPLE", "secretAccessKey": "long-term-canary"})
TOKEN = "eyJhbGciOiJSUzI1NiJ9.web-identity-canary.c2ln"


@pytest.fixture
def account() -> Account:
    return Account(
        keys={"AKIAEXAMPLE": Keys("long-term-canary")},
        roles={ROLE: Role(access_keys=("AKIAEXAMPLE",)), POD_ROLE: Role(web_identity_token=TOKEN)},
    )


@pytest.fixture
def sts(tokens: TokenServer, account: Account) -> STS:
    return tokens.add(STS(account))


@pytest.fixture
def irsa(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    monkeypatch.setenv("AWS_ROLE_ARN", POD_ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    return file


def credentials(outbound: Outbound, credential: AWSCredential, *values: str):  # type: ignore[no-untyped-def]
    return aws_credentials(credential, values, region=REGION, outbound=outbound)


async def failure(outbound: Outbound, credential: AWSCredential, *values: str) -> str:
    with pytest.raises(CredentialError) as caught:
        await credentials(outbound, credential, *values).get()
    assert "canary" not in str(caught.value)
    return str(caught.value)


async def test_an_access_key_is_used_as_it_is_and_nobody_is_asked(tokens: TokenServer, outbound: Outbound) -> None:
    value = json.dumps({"accessKeyID": "ASIA1", "secretAccessKey": "s", "sessionToken": "t"})
    renewing = credentials(outbound, AWSCredential(access_key=SECRET), value)
    assert await renewing.get() == FrozenAWS("ASIA1", "s", "t")
    assert renewing.expires_at is None
    assert await credentials(outbound, AWSCredential(access_key=SECRET), LONG_TERM).get() == FrozenAWS(
        "AKIAEXAMPLE", "long-term-canary"
    )
    assert tokens.connects == []


@pytest.mark.parametrize(
    "value",
    [
        "canary",
        "[]",
        "{}",
        '{"accessKeyID": "AKIA"}',
        '{"accessKeyID": "AKIA", "secretAccessKey": 7}',
        '{"accessKeyID": "AKIA", "secretAccessKey": "canary\\n"}',
        '{"accessKeyID": "", "secretAccessKey": "canary"}',
        "[" * 100_000,
    ],
)
async def test_a_secret_that_holds_no_access_key_says_what_it_should_hold(outbound: Outbound, value: str) -> None:
    said = await failure(outbound, AWSCredential(access_key=SECRET), value)
    assert "JSON with accessKeyID, secretAccessKey and perhaps sessionToken" in said


async def test_a_role_is_assumed_with_an_access_key_at_the_regions_sts(
    tokens: TokenServer, outbound: Outbound, sts: STS
) -> None:
    renewing = credentials(outbound, AWSCredential(access_key=SECRET, role_arn=ROLE), LONG_TERM)
    assert await renewing.get() == FrozenAWS("ASIA1", "issued-secret-canary-1", "session-canary/1==")
    assert renewing.expires_at == pytest.approx(time.time() + 3600, abs=30)
    assert tokens.connects == ["sts.eu-central-1.amazonaws.com:443"], "by the forward proxy, with its CA"
    assert sts.problems == []
    assert sts.asked[0].form["RoleSessionName"] == "claude-gateway"
    assert "ExternalId" not in sts.asked[0].form


async def test_an_external_id_goes_along(outbound: Outbound, sts: STS, account: Account) -> None:
    account.roles[ROLE].external_id = "tenant-7"
    renewing = credentials(outbound, AWSCredential(access_key=SECRET, role_arn=ROLE, external_id="tenant-7"), LONG_TERM)
    assert (await renewing.get()).access_key_id == "ASIA1"
    assert sts.problems == []


async def test_china_has_another_domain(tokens: TokenServer, outbound: Outbound, account: Account) -> None:
    sts = tokens.add(STS(account, "cn-north-1", host="sts.cn-north-1.amazonaws.com.cn"))
    renewing = aws_credentials(
        AWSCredential(access_key=SECRET, role_arn=ROLE), (LONG_TERM,), region="cn-north-1", outbound=outbound
    )
    assert (await renewing.get()).access_key_id == "ASIA1"
    assert sts.problems == []


async def test_an_endpoint_that_the_environment_names_is_asked_instead(
    tokens: TokenServer, outbound: Outbound, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sts = tokens.add(STS(account, host="vpce-1.sts.corp.example"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://vpce-1.sts.corp.example")
    renewing = credentials(outbound, AWSCredential(access_key=SECRET, role_arn=ROLE), LONG_TERM)
    assert (await renewing.get()).access_key_id == "ASIA1"
    assert sts.problems == []


async def test_irsa_exchanges_the_pods_token_read_anew_each_time(
    outbound: Outbound, sts: STS, account: Account, irsa: Path
) -> None:
    sts.seconds = 2
    renewing = credentials(outbound, AWSCredential())
    assert (await renewing.get()).access_key_id == "ASIA1"
    irsa.write_text("another-token")
    account.roles[POD_ROLE].web_identity_token = "another-token"
    await until(lambda: renewing.counts.renewals >= 2)
    assert renewing.counts.failures == 0
    assert sts.problems == []


async def test_a_role_is_assumed_with_the_pods_own_identity(
    outbound: Outbound, sts: STS, account: Account, irsa: Path
) -> None:
    account.roles[ROLE].access_keys = ("ASIA1",)
    assert (await credentials(outbound, AWSCredential(role_arn=ROLE)).get()).access_key_id == "ASIA2"
    assert [asked.form["Action"] for asked in sts.asked] == ["AssumeRoleWithWebIdentity", "AssumeRole"]
    assert sts.problems == []


async def test_eks_pod_identity(
    tokens: TokenServer, outbound: Outbound, account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    agent = tokens.add(PodIdentityAgent(account, TOKEN))
    file = tmp_path / "token"
    file.write_text(TOKEN)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{tokens.url}/v1/credentials")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
    assert (await credentials(outbound, AWSCredential()).get()).session_token == "session-canary/1=="
    assert agent.problems == []
    assert tokens.connects == []
    agent.fails = lambda asked: (400, {"code": "ResourceNotFoundException", "message": "no association"})
    assert await failure(outbound, AWSCredential()) == (
        "the AWS credentials of the pod: 127.0.0.1 says ResourceNotFoundException (status 400, no association): "
        "associate a role with the pod's service account (EKS Pod Identity)"
    )
    assert len(agent.asked) == 4, "the library asks three times"


async def test_an_agent_that_no_pod_identity_has_is_not_asked(
    outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://attacker.example/v1/credentials")
    assert "ValueError" in await failure(outbound, AWSCredential())


async def test_the_instance_is_asked_last(
    tokens: TokenServer, outbound: Outbound, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = tokens.add(InstanceMetadata(account))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{tokens.url}/")
    assert (await credentials(outbound, AWSCredential()).get()).access_key_id == "ASIA1"
    assert instance.problems == []
    instance.fails = lambda asked: (404, b"")
    assert "gives no role: give the pods' service account a role" in await failure(outbound, AWSCredential())


async def test_an_access_key_never_leads_to_the_pods_identity(
    outbound: Outbound, sts: STS, account: Account, irsa: Path
) -> None:
    account.roles[ROLE].access_keys = ()
    assert "AccessDenied" in await failure(outbound, AWSCredential(access_key=SECRET, role_arn=ROLE), LONG_TERM)
    assert [asked.form["Action"] for asked in sts.asked] == ["AssumeRole"]


async def test_a_refusal_is_told_with_its_code_and_the_way_out(outbound: Outbound, sts: STS, account: Account) -> None:
    credential = AWSCredential(access_key=SECRET, role_arn=ROLE)
    account.roles[ROLE].access_keys = ()
    assert await failure(outbound, credential, LONG_TERM) == (
        f"the AWS credentials of {ROLE}: sts.eu-central-1.amazonaws.com says AccessDenied (status 403, User: "
        "arn:aws:iam::111122223333:user/AKIAEXAMPLE is not authorized to perform: sts:AssumeRole): let the role's "
        "trust policy admit this identity, with its external id and audience, and the identity's own policy allow "
        "sts:AssumeRole"
    )
    wrong = json.dumps({"accessKeyID": "AKIAEXAMPLE", "secretAccessKey": "wrong-canary"})
    assert "secretAccessKey is not that of accessKeyID" in await failure(outbound, credential, wrong)
    unknown = json.dumps({"accessKeyID": "AKIAOTHER", "secretAccessKey": "wrong-canary"})
    assert "InvalidClientTokenId" in await failure(outbound, credential, unknown)


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        ("ExpiredTokenException", "still renewed by its kubelet"),
        ("InvalidIdentityToken", "make the cluster's OpenID issuer an identity provider of the account"),
        ("RegionDisabledException", "activate STS"),
    ],
)
async def test_refusals_of_a_pods_token(outbound: Outbound, sts: STS, irsa: Path, code: str, way_out: str) -> None:
    sts.fails = lambda asked: refused(400, code, f"it is so, {TOKEN}")
    said = await failure(outbound, AWSCredential())
    assert said.startswith(f"the AWS credentials of the pod: sts.eu-central-1.amazonaws.com says {code} (status 400, ")
    assert way_out in said


async def test_answers_that_are_no_answers(outbound: Outbound, sts: STS, irsa: Path) -> None:
    sts.fails = lambda asked: (200, b"<html>welcome to the hotel</html>")
    assert "nothing of the answer of sts.eu-central-1.amazonaws.com" in await failure(outbound, AWSCredential())
    sts.fails = lambda asked: (503, b"<html>nothing here</html>")
    assert await failure(outbound, AWSCredential()) == (
        "the AWS credentials of the pod: sts.eu-central-1.amazonaws.com says status 503"
    )


async def test_nobody_there_and_a_token_that_is_not_there(
    outbound: Outbound, tokens: TokenServer, irsa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "ca_pem", "")
    other = Outbound(tokens.egress.model_copy(update={"ca_pem": None}), outbound._all)
    assert "sts.eu-central-1.amazonaws.com" in (said := await failure(other, AWSCredential()))
    assert "the certificate is not trusted" in said
    irsa.unlink()
    assert f"the pod's token {irsa} cannot be read: FileNotFoundError" in await failure(outbound, AWSCredential())


async def test_the_event_loop_goes_on_while_sts_is_slow(outbound: Outbound, sts: STS, irsa: Path) -> None:
    sts.open.clear()
    renewing = credentials(outbound, AWSCredential())
    many = [asyncio.ensure_future(renewing.get()) for _ in range(20)]
    await until(lambda: sts.asked)
    assert not any(one.done() for one in many)
    sts.open.set()
    assert len({await one for one in many}) == 1
    assert len(sts.asked) == 1
