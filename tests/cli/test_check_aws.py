"""`claude-gateway check` at Amazon Bedrock and Claude Platform on AWS: their own errors, and those of STS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.checking import ALL, OPUS, SONNET, calls, check, refuse, through, write
from tests.local import running
from tests.standins import bedrock, claude_platform_aws, framing, manifests
from tests.standins.aws_requests import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.standins.bedrock import BedrockStandIn
from tests.standins.claude_platform_aws import ClaudePlatformAWSStandIn
from tests.standins.requests_seen import Received
from tests.standins.sigv4 import Keys
from tests.standins.token_endpoints.aws import STS, Account, Role
from tests.standins.token_endpoints.server import TokenServer
from tests.standins.upstream import Script

ROLE = "arn:aws:iam::111122223333:role/claude"


@pytest.fixture
def region() -> Iterator[BedrockStandIn]:
    with BedrockStandIn() as upstream:
        yield upstream


def access_key() -> dict[str, Any]:
    secret = manifests.secret("aws", ACCESS_KEY_ID, key="accessKeyID")
    secret["stringData"]["secretAccessKey"] = SECRET_ACCESS_KEY
    return secret


def bound(upstream: BedrockStandIn, **member: Any) -> dict[str, Any]:
    whole = {"region": upstream.region, "baseURL": upstream.url, "accessKeySecretRef": {"name": "aws"}, **member}
    return manifests.cloud_binding("bedrock", "Bedrock", bedrock=whole)


def test_bedrock(region: BedrockStandIn, tmp_path: Path) -> None:
    binding = check(write(tmp_path, bound(region), access_key()), code=0)
    assert calls(binding) == ALL
    assert region.problems == []
    assert {call["upstreamID"] for call in binding["calls"]} == {f"eu.anthropic.{SONNET}", f"eu.anthropic.{OPUS}"}
    asked = {request.path.rpartition("/")[2] for request in region.requests}
    assert asked == {"invoke-with-response-stream", "invoke", "count-tokens"}


@pytest.mark.parametrize(
    ("status", "code", "message", "way_out"),
    [
        (
            400,
            "ValidationException",
            "Invocation of model ID anthropic.claude-sonnet-5-5 with on-demand throughput "
            "isn\N{RIGHT SINGLE QUOTATION MARK}t supported.",
            f"spec.models: [{{id: {SONNET}, upstreamID: …}}], with the prefix of your geography",
        ),
        (
            400,
            "ValidationException",
            "The provided model identifier is invalid.",
            "another region in spec.bedrock.region (eu-central-1)",
        ),
        (
            403,
            "AccessDeniedException",
            "User: arn:aws:iam::111122223333:user/x is not authorized to perform: "
            "bedrock:InvokeModelWithResponseStream because no identity-based policy allows it",
            "needs bedrock:InvokeModelWithResponseStream on the model",
        ),
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            "compare accessKeyID and secretAccessKey in spec.bedrock.accessKeySecretRef (Secret claude/aws)",
        ),
        (404, "ResourceNotFoundException", "Model use case details have not been submitted.", "use-case form"),
        (429, "ThrottlingException", "Too many tokens per day.", "raise it in Service Quotas"),
    ],
)
def test_what_bedrock_says(
    region: BedrockStandIn, tmp_path: Path, status: int, code: str, message: str, way_out: str
) -> None:
    refuse(region, bedrock.error_answer(status, code, message))
    call = check(write(tmp_path, bound(region), access_key()), code=1)["calls"][0]
    assert (call["status"], call["code"], call["requestID"]) == (status, code, bedrock.REQUEST_ID)
    assert way_out in call["wayOut"]


def test_a_right_that_only_some_calls_need(region: BedrockStandIn, tmp_path: Path) -> None:
    def respond(request: Received) -> Script:
        if request.path.endswith("/invoke"):
            return [bedrock.error_answer(403, "AccessDeniedException", "denied")]
        if request.path.endswith("/count-tokens"):
            return [bedrock.error_answer(403, "AccessDeniedException", "denied")]
        return region.usual(request)

    region.respond = respond
    directory = write(tmp_path, bound(region), access_key())
    binding = check(directory, code=1)
    bad = {(call["model"], call["kind"]): call["wayOut"] for call in binding["calls"] if not call["ok"]}
    assert "it needs bedrock:InvokeModel;" in bad[SONNET, "Message"]
    assert "allow bedrock:CountTokens" in bad[SONNET, "CountTokens"]
    told = running.run("check", directory).stdout
    assert f"error: claude/bedrock {SONNET} (not streamed): 403 AccessDeniedException: denied" in told
    assert f"note: claude/bedrock {SONNET} (count_tokens): 403" in told


def test_tokens_that_aws_does_not_count_are_no_failure(region: BedrockStandIn, tmp_path: Path) -> None:
    def respond(request: Received) -> Script:
        if request.path.endswith("/count-tokens"):
            return [bedrock.error_answer(400, "ValidationException", "The model doesn't support counting tokens.")]
        return region.usual(request)

    region.respond = respond
    binding = check(write(tmp_path, bound(region), access_key()), code=0)
    assert binding["failed"] is False
    assert (SONNET, "CountTokens", False) in calls(binding)


def test_a_bedrock_key(region: BedrockStandIn, tmp_path: Path) -> None:
    member = {"accessKeySecretRef": None, "bearerTokenSecretRef": {"name": "key", "key": "value"}}
    manifest = bound(region, **member)
    del manifest["spec"]["bedrock"]["accessKeySecretRef"]
    directory = write(tmp_path, manifest, manifests.secret("key", bedrock.BEARER))
    binding = check(directory, code=0)
    assert binding["credential"] == {"field": "bearerTokenSecretRef", "state": "ok"}
    assert calls(binding) == ALL
    assert region.problems == []


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
def account(tokens: TokenServer) -> Account:
    found = Account(keys={ACCESS_KEY_ID: Keys(SECRET_ACCESS_KEY)}, roles={ROLE: Role(access_keys=(ACCESS_KEY_ID,))})
    tokens.add(STS(found))
    return found


def test_a_role_that_is_not_for_this_key(
    region: BedrockStandIn, tokens: TokenServer, account: Account, tmp_path: Path
) -> None:
    account.roles[ROLE].access_keys = ()
    directory = write(tmp_path, bound(region, roleARN=ROLE), access_key(), gateway=through(tokens))
    binding = check(directory, code=1)
    (call,) = binding["calls"]
    assert (call["reason"], binding["credential"]["state"]) == ("Credential", "not fetched")
    assert "AccessDenied" in call["message"]
    assert f"the trust policy of spec.bedrock.roleARN ({ROLE}) must admit whoever" in call["wayOut"]
    assert region.requests == []


def test_a_key_that_aws_does_not_know(
    region: BedrockStandIn, tokens: TokenServer, account: Account, tmp_path: Path
) -> None:
    account.keys.clear()
    directory = write(tmp_path, bound(region, roleARN=ROLE), access_key(), gateway=through(tokens))
    call = check(directory, code=1)["calls"][0]
    assert "AWS does not know the keys in spec.bedrock.accessKeySecretRef (Secret claude/aws)" in call["wayOut"]


def test_claude_platform_on_aws(tmp_path: Path) -> None:
    with ClaudePlatformAWSStandIn() as upstream:
        member = {
            "region": upstream.region,
            "workspaceID": claude_platform_aws.WORKSPACE,
            "baseURL": upstream.url,
            "accessKeySecretRef": {"name": "aws"},
        }
        manifest = manifests.cloud_binding("claude-aws", "ClaudePlatformAWS", claudePlatformAWS=member)
        directory = write(tmp_path, manifest, access_key())
        assert calls(check(directory, code=0)) == ALL
        assert upstream.problems == []
        refuse(upstream, framing.error_answer(403, "permission_error", "Not authorized."))
        call = running.run("check", directory, "-o", "json").stdout
        assert "aws-external-anthropic:CreateInference on arn:aws:aws-external-anthropic:us-west-2:ACCOUNT" in call


def test_temporary_keys_that_are_not_whole(tmp_path: Path) -> None:
    """The Secret is there: what is wrong with it is told, and not that it has to be made."""
    temporary = manifests.secret("aws", "ASIA" + ACCESS_KEY_ID[4:], key="accessKeyID")
    temporary["stringData"]["secretAccessKey"] = SECRET_ACCESS_KEY
    bedrock = {"region": "eu-central-1", "accessKeySecretRef": {"name": "aws"}}
    binding = check(write(tmp_path, manifests.cloud_binding("bedrock", "Bedrock", bedrock=bedrock), temporary), code=1)
    assert binding["credential"]["state"] == "not tried"
    assert "add the key sessionToken" in binding["problem"]["message"]
    assert binding["problem"]["wayOut"].startswith("mend what the Secret holds")
