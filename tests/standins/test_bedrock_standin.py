"""The stand-in for Bedrock itself: it must see what is wrong, and its frames must be what botocore reads."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import EventStreamError
from tests.standins import event_frames, framing, messages
from tests.standins.aws_requests import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.standins.bedrock import BEARER, REGION, BedrockStandIn, events_of, stream_head
from tests.standins.raw_client import fetch

MODEL = "anthropic.claude-sonnet-5-5"
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": []}
GOOD = [
    ("authorization", f"Bearer {BEARER}"),
    ("content-type", "application/json"),
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("anthropic-version", "2023-06-01"),
]


@pytest.fixture
def bedrock() -> Iterator[BedrockStandIn]:
    with BedrockStandIn() as server:
        yield server


def ask(bedrock: BedrockStandIn, body: Any = BODY, how: str = "invoke", model: str = MODEL, *more: Any) -> list[str]:
    headers = [("host", bedrock.authority), *GOOD, *more]
    fetch(bedrock.port, "POST", f"/model/{model}/{how}", headers=headers, body=json.dumps(body).encode())
    return bedrock.last.problems


@contextmanager
def client(bedrock: BedrockStandIn, secret: str = SECRET_ACCESS_KEY, **config: Any) -> Iterator[Any]:
    made = botocore.session.Session().create_client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=bedrock.url,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, **config),
    )
    with closing(made):
        yield made


def test_a_correct_request_is_answered_without_a_problem(bedrock: BedrockStandIn) -> None:
    assert ask(bedrock) == []
    assert ask(bedrock, how="invoke-with-response-stream") == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (BODY | {"model": "m"}, "model is in the body"),
        (BODY | {"stream": True}, "stream is in the body"),
        (BODY | {"tags": {}}, "tags is in the body"),
        (BODY | {"user_profile_id": "u"}, "user_profile_id is in the body"),
        ({"max_tokens": 5}, "anthropic_version None"),
        (BODY | {"anthropic_beta": "a"}, "anthropic_beta 'a'"),
        (BODY | {"anthropic_beta": ["a", "a"]}, "anthropic_beta ['a', 'a']"),
        (BODY | {"anthropic_beta": [" a"]}, "anthropic_beta [' a']"),
        (BODY | {"anthropic_beta": ["request-tags-2026-08-21"]}, "anthropic_beta names"),
    ],
)
def test_a_body_that_bedrock_would_not_take_is_a_problem(bedrock: BedrockStandIn, body: Any, problem: str) -> None:
    assert any(one.startswith(problem) for one in ask(bedrock, body)), bedrock.last.problems


def test_other_models_headers_and_credentials_are_problems(bedrock: BedrockStandIn) -> None:
    assert ask(bedrock, model="anthropic.claude-1") == ["no model 'anthropic.claude-1'"]
    assert ask(bedrock, BODY, "invoke", MODEL, ("anthropic-beta", "a")) == [
        "header anthropic-beta must not be forwarded"
    ]
    bedrock.credentials.plain.clear()
    assert "credential headers" in ask(bedrock)[0]
    assert ask(bedrock, how="converse") == [f"target '/model/{MODEL}/converse'"]


def test_a_signature_with_another_secret_is_a_problem(bedrock: BedrockStandIn) -> None:
    for secret, expected in ((SECRET_ACCESS_KEY, False), ("another", True)):
        with client(bedrock, secret) as found:
            found.invoke_model(modelId=MODEL, body=json.dumps(BODY))["body"].read()
        assert ("the signature does not match" in bedrock.last.problems) == expected


def test_botocore_reads_its_answers_streams_counts_and_failures(bedrock: BedrockStandIn) -> None:
    with client(bedrock, signature_version=UNSIGNED) as found:
        whole = json.loads(found.invoke_model(modelId=MODEL, body=json.dumps(BODY))["body"].read())
        assert whole == messages.message(model="claude-sonnet-5-5")
        streamed = found.invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(BODY))["body"]
        assert [one["chunk"]["bytes"] for one in streamed] == list(map(event_frames.data_of, events_of()))
        counted = found.count_tokens(modelId=MODEL, input={"invokeModel": {"body": json.dumps(BODY)}})
        assert counted["inputTokens"] == 1190
        failed = framing.chunk(event_frames.exception("throttlingException", "slow down"))
        bedrock.script(stream_head(), failed, framing.LAST_CHUNK)
        broken = found.invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(BODY))["body"]
        with closing(broken), pytest.raises(EventStreamError, match=r"throttlingException.*slow down"):
            list(broken)
