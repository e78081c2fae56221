"""Amazon Bedrock with credentials that expire: whose they are, and what becomes of requests and streams as they are
renewed, replaced and refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.providers.behind_tokens import behind
from tests.providers.clients import Clients
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.bedrock import BedrockStandIn, events_of, stream
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import Manifest, binding, cloud_binding, secret
from tests.standins.sigv4 import Keys
from tests.standins.token_endpoints.aws import STS, Account, PodIdentityAgent, Role, refused
from tests.standins.token_endpoints.server import TokenServer
from tests.standins.upstream import Gate

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[]}'
STREAMED = BODY.replace(b'"max_tokens"', b'"stream":true,"max_tokens"')
ROLE = "arn:aws:iam::111122223333:role/bedrock"
POD_ROLE = "arn:aws:iam::111122223333:role/pod"
POD_TOKEN = "eyJhbGciOiJSUzI1NiJ9.pod-token-canary.c2ln"
KEY_ID, KEY = "AKIALONGTERM", "long-term-canary"
MODELS = [{"id": "claude-sonnet-5-5", "upstreamID": "eu.anthropic.claude-sonnet-5-5"}]


class AWS:
    """An account: what signs at its Bedrock is what its STS has issued."""

    def __init__(self, tokens: TokenServer, bedrock: BedrockStandIn) -> None:
        self.tokens, self.bedrock = tokens, bedrock
        self.account = Account(
            keys={KEY_ID: Keys(KEY)},
            roles={
                ROLE: Role(access_keys=(KEY_ID,), external_id="tenant"),
                POD_ROLE: Role(web_identity_token=POD_TOKEN),
            },
        )
        self.sts = tokens.add(STS(self.account))
        bedrock.credentials.keys = self.account.keys

    def manifests(self, *, key_id: str = KEY_ID, key: str = KEY, **room: Any) -> list[Manifest]:
        given = room or {"accessKeySecretRef": {"name": "aws"}, "roleARN": ROLE, "externalID": "tenant"}
        room = {"region": self.bedrock.region, "baseURL": self.bedrock.url} | given
        held = secret("aws", key_id, key="accessKeyID")
        held["stringData"]["secretAccessKey"] = key
        return behind(self.tokens, held, cloud_binding("bedrock", "Bedrock", bedrock=room, models=MODELS))

    def signed_by(self) -> list[str]:
        """The access keys of the requests, in order, each once."""
        headers = [one.header("authorization") or "" for one in self.bedrock.requests]
        return list(dict.fromkeys(one.partition("Credential=")[2].partition("/")[0] for one in headers))


@pytest.fixture
def aws() -> Iterator[AWS]:
    with TokenServer() as tokens, BedrockStandIn() as bedrock:
        cloud = AWS(tokens, bedrock)
        yield cloud
        assert bedrock.problems + cloud.sts.problems == []


@pytest.fixture
def start(own_gateway: Gateway, aws: AWS) -> Iterator[Callable[..., Gateway]]:
    def started(*arguments: str, environment: dict[str, str] | None = None, **room: Any) -> Gateway:
        own_gateway.load(aws.manifests(**room))
        own_gateway.start(*arguments, environment=environment)
        return own_gateway

    yield started
    assert "canary" not in own_gateway.log_text() + own_gateway.audit_text() + own_gateway.metrics_text()


def test_a_role_that_is_assumed_with_an_access_key(start: Callable[..., Gateway], aws: AWS) -> None:
    gateway = start()
    for body in BODY, STREAMED, BODY:
        assert gateway.messages(body).status == 200
    assert aws.signed_by() == ["ASIA1"]
    assert len(aws.sts.asked) == 1


def test_what_the_library_says_at_its_most_talkative_is_not_logged(start: Callable[..., Gateway], aws: AWS) -> None:
    """It has session tokens in it, and whole requests."""
    gateway = start("--log-level", "debug")
    assert gateway.messages(BODY).status == 200
    assert {one["logger"].partition(".")[0] for one in gateway.logs()} <= {"gateway_proxy", "asyncio", "aiohttp"}


def test_the_pod_s_role_and_one_that_is_assumed_from_it(
    start: Callable[..., Gateway], aws: AWS, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(POD_TOKEN)
    environment = {"AWS_ROLE_ARN": POD_ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}
    gateway = start(environment=environment, podIdentity={})
    assert gateway.messages(BODY).status == 200
    assert aws.signed_by() == ["ASIA1"]
    aws.account.roles[ROLE] = Role(access_keys=("ASIA2",))
    gateway.load(aws.manifests(podIdentity={}, roleARN=ROLE))
    assert gateway.messages(BODY).status == 200
    assert aws.signed_by() == ["ASIA1", "ASIA3"], "another role is another identity: nothing of the first serves on"


def test_pod_identity_of_eks(start: Callable[..., Gateway], aws: AWS, tmp_path: Path) -> None:
    agent = aws.tokens.add(PodIdentityAgent(aws.account, POD_TOKEN))
    file = tmp_path / "token"
    file.write_text(POD_TOKEN)
    environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.tokens.url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file),
    }
    assert start(environment=environment, podIdentity={}).messages(BODY).status == 200
    assert (aws.signed_by(), agent.problems) == (["ASIA1"], [])


def test_renewals_and_replaced_secrets_fail_no_request(start: Callable[..., Gateway], aws: AWS) -> None:
    aws.sts.seconds = 4
    gateway = start()
    with Clients(gateway, 3, streamed=b"".join(events_of())) as clients:
        clients.wait_for_more()
        eventually(lambda: len(aws.sts.asked) >= 3, what="renewals ahead of the end, while requests run")
        aws.account.roles[ROLE].access_keys += ("AKIA2", "AKIA3", "AKIA4")
        for number in (2, 3, 4):
            key_id, key = f"AKIA{number}", f"rotated-canary-{number}"
            aws.account.keys[key_id] = Keys(key)
            gateway.load(aws.manifests(key_id=key_id, key=key))
            clients.wait_for_more()
    assert clients.failures == []
    assert len(aws.signed_by()) >= 3


def test_a_stream_outlives_its_credentials(start: Callable[..., Gateway], aws: AWS) -> None:
    gateway = start()
    said, gate = events_of(), Gate()
    head, *chunks = stream(said)
    aws.bedrock.script(head, chunks[0], gate, *chunks[1:])
    client = gateway.begin(STREAMED)
    assert client.head().status == 200
    aws.sts.fails = lambda asked: refused(403, "AccessDenied", "not any more")
    gateway.load(aws.manifests(key="wrong-canary"))
    told = gateway.log_of("credential.failed")
    assert told["serves_on"] is True
    assert gateway.messages(BODY).status == 200, "with what was issued before"
    gate.open()
    assert b"".join(client.pieces()) == b"".join(said)


def test_where_a_role_is_denied_another_upstream_answers(own_gateway: Gateway, aws: AWS) -> None:
    aws.account.roles.clear()
    with AnthropicUpstream() as second:
        own_gateway.load([*aws.manifests(), binding("second", second.url, priority=-1), secret()])
        own_gateway.start()
        assert own_gateway.messages(BODY).status == 200
        assert second.problems == []
    told = own_gateway.log_of("credential.failed")
    assert told["upstream"] == "claude/bedrock"
    assert (
        f"the AWS credentials of {ROLE}: sts.eu-central-1.amazonaws.com says AccessDenied (status 403"
        in told["message"]
    )
    assert "let the role's trust policy admit this identity" in told["message"]
    counted = 'claude_gateway_upstream_attempts_failed_total{reason="Credential",upstream="claude/bedrock"} 1.0'
    assert counted in own_gateway.metrics_text()
    assert aws.bedrock.requests == []


def test_a_role_that_is_admitted_again_serves_without_a_restart(start: Callable[..., Gateway], aws: AWS) -> None:
    role = aws.account.roles.pop(ROLE)
    gateway = start()
    answer = gateway.messages(BODY)
    assert (answer.status, answer.error[0]) == (502, "api_error")
    assert "role" not in answer.body.decode()
    aws.account.roles[ROLE] = role
    eventually(lambda: gateway.messages(BODY).status == 200, what="credentials that are tried for again")
