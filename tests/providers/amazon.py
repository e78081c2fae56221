"""What tests of providers at AWS share: bindings, a request, and what arrives of it."""

from typing import Any

from tests.standins.aws_requests import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.standins.bedrock import BedrockStandIn, events_of
from tests.standins.claude_platform_aws import WORKSPACE, ClaudePlatformAWSStandIn
from tests.standins.manifests import Manifest, cloud_binding, secret

HAIKU = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3"
MODELS = [
    {"id": "claude-haiku-4-5-20251001", "upstreamID": HAIKU},
    {"id": "claude-sonnet-5-5", "upstreamID": "eu.anthropic.claude-sonnet-5-5"},
    {"id": "claude-opus-5-5", "upstreamID": PROFILE},
]
BODY = (
    b'{ "model" : "claude-haiku-4-5-20251001",\n "max_tokens": 64, "temperature": 1.0,'
    b' "metadata": {"model": "inner"}, "unknown": [12345678901234567890, 1e400],'
    b' "messages": [{"role": "user", "content": "h\xc3\xa9"}] }'
)
SENT = BODY.replace(b'"model" : "claude-haiku-4-5-20251001",\n ', b"").replace(
    b"] }", b'],"anthropic_version":"bedrock-2023-05-31" }'
)
STREAMED = BODY.replace(b'"max_tokens"', b'"stream": true, "max_tokens"')
SAID = events_of(model="claude-haiku-4-5-20251001-v1:0")


def access_key(key_id: str = ACCESS_KEY_ID, key: str = SECRET_ACCESS_KEY, token: str | None = None) -> Manifest:
    made = secret("aws", key_id, key="accessKeyID")
    made["stringData"] |= {"secretAccessKey": key} | ({"sessionToken": token} if token is not None else {})
    return made


def bedrock_binding(upstream: BedrockStandIn, **room: Any) -> Manifest:
    room = {"region": upstream.region, "baseURL": upstream.url} | (room or {"accessKeySecretRef": {"name": "aws"}})
    return cloud_binding("bedrock", "Bedrock", bedrock=room, models=MODELS)


def aws_binding(upstream: ClaudePlatformAWSStandIn, priority: int = 0, **room: Any) -> Manifest:
    given = {"region": upstream.region, "baseURL": upstream.url, "workspaceID": WORKSPACE}
    given |= room or {"accessKeySecretRef": {"name": "aws"}}
    return cloud_binding("aws", "ClaudePlatformAWS", priority, claudePlatformAWS=given)
