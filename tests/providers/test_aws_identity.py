"""Bedrock and Claude Platform on AWS with the pod's own identity and with roles that are assumed: what requests are
signed with, and what becomes of them while there is nothing to sign with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.providers.amazon import BODY, access_key, aws_binding, bedrock_binding
from tests.providers.behind_tokens import behind
from tests.providers.clients import Clients
from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.aws_requests import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.standins.bedrock import BedrockStandIn, stream
from tests.standins.claude_platform_aws import REGION as PLATFORM_REGION
from tests.standins.claude_platform_aws import ClaudePlatformAWSStandIn
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import binding, secret
from tests.standins.requests_seen import Received
from tests.standins.sigv4 import Keys
from tests.standins.token_endpoints.aws import STS, Account, PodIdentityAgent, Role, refused
from tests.standins.token_endpoints.server import TokenServer

ROLE = "arn:aws:iam::111122223333:role/bedrock"
POD_ROLE = "arn:aws:iam::111122223333:role/pod"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.web-identity-canary.c2ln"


class AWS:
    """An account, and what of it stands in."""

    def __init__(self, tokens: TokenServer, bedrock: BedrockStandIn) -> None:
        self.tokens, self.bedrock = tokens, bedrock
        self.account = Account(
            keys={ACCESS_KEY_ID: Keys(SECRET_ACCESS_KEY)},
            roles={
                ROLE: Role(access_keys=(ACCESS_KEY_ID,), external_id="corp-claude"),
                POD_ROLE: Role(web_identity_token=TOKEN),
            },
        )
        bedrock.credentials.keys = self.account.keys
        self.sts = tokens.add(STS(self.account, bedrock.region))


@pytest.fixture
def aws() -> Iterator[AWS]:
    with TokenServer() as tokens, BedrockStandIn() as bedrock:
        found = AWS(tokens, bedrock)
        yield found
        assert bedrock.problems == []
        assert found.sts.problems == []


@pytest.fixture
def irsa(tmp_path: Path) -> dict[str, str]:
    """A pod's environment as EKS's webhook makes it."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return {"AWS_ROLE_ARN": POD_ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}


def signed_by(request: Received) -> str:
    """The id of the access key."""
    return (request.header("authorization") or "").partition("Credential=")[2].partition("/")[0]


def test_the_service_account_s_role(own_gateway: Gateway, aws: AWS, irsa: dict[str, str]) -> None:
    own_gateway.load(behind(aws.tokens, bedrock_binding(aws.bedrock, podIdentity={})))
    own_gateway.start(environment=irsa)
    assert [own_gateway.messages(BODY).status for _ in range(3)] == [200] * 3
    assert [signed_by(one) for one in aws.bedrock.requests] == ["ASIA1"] * 3
    assert len(aws.sts.asked) == 1


def test_the_role_of_the_pod_identity_agent(own_gateway: Gateway, aws: AWS, tmp_path: Path) -> None:
    aws.tokens.add(PodIdentityAgent(aws.account, "agent-token-canary"))
    file = tmp_path / "token"
    file.write_text("agent-token-canary")
    own_gateway.load(behind(aws.tokens, bedrock_binding(aws.bedrock, podIdentity={})))
    own_gateway.start(
        environment={
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.tokens.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file),
        }
    )
    assert own_gateway.messages(BODY).status == 200
    assert signed_by(aws.bedrock.last) == "ASIA1"


def test_a_role_that_is_assumed_with_an_access_key(own_gateway: Gateway, aws: AWS) -> None:
    room = {"accessKeySecretRef": {"name": "aws"}, "roleARN": ROLE, "externalID": "corp-claude"}
    own_gateway.load(behind(aws.tokens, access_key(), bedrock_binding(aws.bedrock, **room)))
    own_gateway.start()
    assert own_gateway.messages(BODY).status == 200
    assert signed_by(aws.bedrock.last) == "ASIA1"
    said = own_gateway.log_text() + own_gateway.audit_text()
    assert not [one for one in (SECRET_ACCESS_KEY, "issued-secret-canary", "session-canary") if one in said]


def test_claude_platform_is_signed_by_the_same_identities(own_gateway: Gateway, aws: AWS, irsa: dict[str, str]) -> None:
    with ClaudePlatformAWSStandIn() as platform:
        aws.tokens.add(STS(aws.account, PLATFORM_REGION))
        platform.credentials.keys = aws.account.keys
        own_gateway.load(behind(aws.tokens, aws_binding(platform, podIdentity={})))
        own_gateway.start(environment=irsa)
        assert own_gateway.messages(BODY).status == 200
        assert signed_by(platform.last) == "ASIA1"
        assert platform.problems == []


def test_without_keys_the_next_upstream_answers_and_the_binding_does_once_there_are_some(
    own_gateway: Gateway, aws: AWS, irsa: dict[str, str], upstream: AnthropicUpstream
) -> None:
    aws.sts.fails = lambda asked: refused(403, "AccessDenied", "Not authorized to perform it")
    first = bedrock_binding(aws.bedrock, podIdentity={})
    first["spec"] |= {"priority": 10, "health": {"failuresBeforeCoolDown": 100}}
    own_gateway.load(behind(aws.tokens, first, secret(), binding("anthropic", upstream.url)))
    own_gateway.start(environment=irsa)
    answer = own_gateway.messages(BODY)
    assert (answer.status, own_gateway.audit_of(answer)["upstream"]) == (200, "claude/anthropic")
    assert aws.bedrock.requests == []
    aws.sts.fails = None
    eventually(
        lambda: own_gateway.messages(BODY).status == 200 and aws.bedrock.requests, what="a request that is signed"
    )
    assert TOKEN not in own_gateway.log_text()


def test_a_rotation_under_load_fails_no_request(own_gateway: Gateway, aws: AWS) -> None:
    keys = {f"AKIAROTATED{number}": f"rotated-secret-canary-{number}" for number in range(4)}
    aws.account.keys |= {key_id: Keys(value) for key_id, value in keys.items()}
    plain = bedrock_binding(aws.bedrock)
    usual = aws.bedrock.usual
    aws.bedrock.respond = lambda request: stream(messages.events()) if "stream" in request.path else usual(request)
    own_gateway.load(behind(aws.tokens, access_key(), plain))
    own_gateway.start()
    with Clients(own_gateway, 4) as clients:
        for key_id, value in keys.items():
            clients.wait_for_more()
            own_gateway.load(behind(aws.tokens, access_key(key_id, value), plain))
            clients.wait_for_more()
    assert clients.failures == []
    assert list(dict.fromkeys(map(signed_by, aws.bedrock.requests))) == [ACCESS_KEY_ID, *keys]
