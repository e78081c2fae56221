"""What is known of Bedrock is cut out of requests to it unless its binding keeps it, and every other byte stays."""

import json

from tests.providers.amazon import MODELS, access_key
from tests.standins.bedrock import BedrockStandIn
from tests.standins.gateway import Gateway
from tests.standins.manifests import cloud_binding, serving

BODY = (
    b'{"model":"claude-sonnet-5-5","max_tokens":1e2,"cache_control":{"type":"ephemeral"},'
    b'"system":[{"type":"text","text":"\\u00e9","cache_control":{"type":"ephemeral","scope":"global","ttl":"1h"}}],'
    b'"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"a","defer_loading":true,"input_schema":{}}]}'
)
BETAS = ("anthropic-beta", "prompt-caching-scope-2026-01-05,advanced-tool-use-2025-11-20,context-management-2025-06-27")


def sent(gateway: Gateway, bedrock: BedrockStandIn, **filters: object) -> bytes:
    room = {"region": bedrock.region, "baseURL": bedrock.url, "accessKeySecretRef": {"name": "aws"}}
    upstream = cloud_binding("bedrock", "Bedrock", bedrock=room, models=MODELS, requestFilters=filters)
    gateway.load(serving(access_key(), upstream))
    assert gateway.messages(BODY, headers=[BETAS]).status == 200
    return bedrock.last.body


def test_the_parts_that_it_refuses_are_gone(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    body = sent(gateway, bedrock)
    assert body.startswith(
        b'{"max_tokens":1e2,"system":[{"type":"text","text":"\\u00e9","cache_control":{"type":"ephemeral","ttl":"1h"}}],'
        b'"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"a","defer_loading":true,"input_schema":{}}],'
    )
    assert json.loads(body)["anthropic_beta"] == ["context-management-2025-06-27", "tool-search-tool-2025-10-19"]


def test_what_a_binding_keeps_and_what_it_drops(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    body = sent(
        gateway,
        bedrock,
        keep=["cache-scope", "automatic-caching", "advanced-tool-use"],
        drop=[{"betas": ["context-management-2025-06-27"], "fields": ["**.cache_control.ttl"]}],
    )
    assert b'"cache_control":{"type":"ephemeral","scope":"global"}}],' in body
    assert body.startswith(b'{"max_tokens":1e2,"cache_control":{"type":"ephemeral"},')
    assert json.loads(body)["anthropic_beta"] == ["prompt-caching-scope-2026-01-05", "advanced-tool-use-2025-11-20"]
