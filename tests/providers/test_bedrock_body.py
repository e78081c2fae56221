"""What of a Messages API's body becomes which body of InvokeModel and CountTokens; all else stays byte for byte."""

import base64
import json

import pytest

from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.messages.body import scan
from gateway_proxy.providers import bedrock_body
from gateway_proxy.providers.bedrock import foundation_model

VERSION = b'"anthropic_version":"bedrock-2023-05-31"'


def invoked(body: bytes, *betas: str) -> bytes:
    return bedrock_body.invoked(scan(body), values(*betas))


def counted(body: bytes, *betas: str) -> bytes:
    outer = json.loads(bedrock_body.counted(scan(body), values(*betas)))
    assert list(outer) == ["input"]
    return base64.b64decode(outer["input"]["invokeModel"]["body"])


def values(*betas: str) -> BetaValues:
    return tuple(value.encode() for value in betas)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"model":"m","max_tokens":5}', b'{"max_tokens":5,%b}' % VERSION),
        (b'{"model":"m","stream":true,"max_tokens":5}', b'{"max_tokens":5,%b}' % VERSION),
        (b'{"max_tokens":5,"stream":false,"model":"m"}', b'{"max_tokens":5,%b}' % VERSION),
        (b'{"model":"m"}', b"{%b}" % VERSION),
        (b'{"model":"m","anthropic_version":"2026-10-21"}', b'{"anthropic_version":"2026-10-21"}'),
        (b'{ "model" : "m" ,\n "temperature": 1.0,\n "n":12345678901234567890 }',
         b'{ "temperature": 1.0,\n "n":12345678901234567890,%b }' % VERSION),
        (b'{"model":"m","tags":{"team":"a"},"metadata":{"tags":1,"stream":true,"model":"x"}}',
         b'{"metadata":{"tags":1,"stream":true,"model":"x"},%b}' % VERSION),
        (b'{"model":"m","user_profile_id":"uprof_1","x":null}', b'{"x":null,%b}' % VERSION),
        (b'{"model":"m","user_profile_id":7}', b'{"user_profile_id":7,%b}' % VERSION),
        (b'{"model":"m","safeguards":[],"speed":"fast","tools":[],"service_tier":"auto"}',
         b'{"safeguards":[],"speed":"fast","tools":[],"service_tier":"auto",%b}' % VERSION),
    ],
)  # fmt: skip
def test_members_that_belong_elsewhere_are_cut_and_the_version_is_added(body: bytes, sent: bytes) -> None:
    assert invoked(body) == sent


@pytest.mark.parametrize(
    ("member", "named", "sent"),
    [
        (None, [], None),
        (None, ["a"], ["a"]),
        (None, [" a , b,a", "c,b", ","], ["a", "b", "c"]),
        ("[]", [], None),
        ("[ ]", ["a"], ["a"]),
        ('["b","a"]', ["a,c"], ["b", "a", "c"]),
        ('[" b ","b",""]', [], ["b"]),
        ('["request-tags-2026-08-21"]', ["a,request-tags-2026-08-21"], ["a"]),
        ('["request-tags-2026-08-21"]', [], None),
        (None, ["request-tags-2026-08-21"], None),
    ],
)
def test_betas_are_the_body_s_then_the_headers_each_once(
    member: str | None, named: list[str], sent: list[str] | None
) -> None:
    body = '{"model":"m"%s,"x":1}' % (f',"anthropic_beta":{member}' if member is not None else "")
    assert json.loads(invoked(body.encode(), *named)).get("anthropic_beta") == sent


def test_betas_that_need_no_change_keep_their_bytes() -> None:
    body = b'{"model":"m", "anthropic_beta" : [ "a", "b" ], "x":1}'
    assert invoked(body, "b") == b'{"anthropic_beta" : [ "a", "b" ], "x":1,%b}' % VERSION


@pytest.mark.parametrize("member", [b'"a"', b"7", b"null", b'[1,"a"]', b'{"a":1}'])
def test_betas_in_another_form_are_left_for_the_upstream_to_judge(member: bytes) -> None:
    sent = invoked(b'{"model":"m","anthropic_beta":%b}' % member, "a")
    assert sent == b'{"anthropic_beta":%b,%b}' % (member, VERSION)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"model":"m"}', b'{%b,"max_tokens":1}' % VERSION),
        (b'{"model":"m","stream":true,"tags":{},"max_tokens":9}', b'{"max_tokens":9,%b}' % VERSION),
        (b'{"model":"m","tools":[ ]}', b'{%b,"max_tokens":1}' % VERSION),
        (b'{"model":"m","tools":[{"a":1}]}', b'{"tools":[{"a":1}],%b,"max_tokens":1}' % VERSION),
        (b'{"model":"m","thinking":{"type":"enabled","budget_tokens":1024}}',
         b'{"thinking":{"type":"enabled","budget_tokens":1024},%b,"max_tokens":1025}' % VERSION),
        (b'{"model":"m","max_tokens":1024,"thinking":{"budget_tokens":1024}}',
         b'{"max_tokens":1025,"thinking":{"budget_tokens":1024},%b}' % VERSION),
        (b'{"model":"m","max_tokens":1025,"thinking":{"budget_tokens":1024}}',
         b'{"max_tokens":1025,"thinking":{"budget_tokens":1024},%b}' % VERSION),
        (b'{"model":"m","max_tokens":"many","thinking":{"type":"adaptive"}}',
         b'{"max_tokens":"many","thinking":{"type":"adaptive"},%b}' % VERSION),
        (b'{"model":"m","thinking":null}', b'{"thinking":null,%b,"max_tokens":1}' % VERSION),
        (b'{"model":"m","thinking":{"budget_tokens":-5}}',
         b'{"thinking":{"budget_tokens":-5},%b,"max_tokens":1}' % VERSION),
    ],
)  # fmt: skip
def test_what_is_counted_is_what_would_be_invoked(body: bytes, sent: bytes) -> None:
    assert counted(body) == sent


def test_a_count_has_only_betas_of_the_headers_that_it_takes() -> None:
    body = b'{"model":"m","anthropic_beta":["oauth-2025-04-20"],"max_tokens":1}'
    asked = "interleaved-thinking-2025-05-14, claude-code-20250219,context-management-2025-06-27,x"
    assert json.loads(counted(body, asked))["anthropic_beta"] == [
        "claude-code-20250219",
        "context-management-2025-06-27",
    ]
    assert "anthropic_beta" not in json.loads(counted(body))


@pytest.mark.parametrize(
    ("model", "foundation"),
    [
        ("anthropic.claude-opus-5-5", "anthropic.claude-opus-5-5"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("global.anthropic.claude-opus-5-5", "anthropic.claude-opus-5-5"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5-5",
         "anthropic.claude-opus-5-5"),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5-5", "anthropic.claude-opus-5-5"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", None),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3", None),
        ("not-anthropic.claude", None),
    ],
)  # fmt: skip
def test_the_model_that_tokens_are_counted_by(model: str, foundation: str | None) -> None:
    assert foundation_model(model) == foundation
