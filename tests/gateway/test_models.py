"""Which models a caller may use, whatever spelling the client has (gateway case 25)."""

import json

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import ALICE, Gateway
from tests.standins.manifests import developer_key, key_of, policy, smallest
from tests.standins.raw_client import fetch

BOB, CAROL = "bob@corp.example", "carol@corp.example"


def asked(model: object) -> bytes:
    return json.dumps({"model": model, "max_tokens": 1, "messages": []}).encode()


@pytest.fixture
def restricted(gateway: Gateway, upstream: AnthropicUpstream) -> Gateway:
    gateway.load(
        smallest(
            upstream.url,
            policy("a-few", matches=[{"users": [BOB]}], availableModels=["claude-haiku-4-5", "claude-sonnet-5-5"]),
            policy("none", matches=[{"users": [CAROL]}], availableModels=[]),
            developer_key(BOB),
            developer_key(CAROL),
        )
    )
    return gateway


@pytest.mark.parametrize(
    ("spelling", "upstream_model"),
    [
        ("claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("claude-sonnet-5-5[1m]", "claude-sonnet-5-5"),
        ("Claude-Sonnet-5-5[1M]", "claude-sonnet-5-5"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5-20251001"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5-20251001"),
        ("eu.anthropic.claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("global.anthropic.claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("anthropic.claude-sonnet-5-5", "claude-sonnet-5-5"),
    ],
)
def test_an_allowed_model_in_every_spelling(
    restricted: Gateway, upstream: AnthropicUpstream, spelling: str, upstream_model: str
) -> None:
    answer = restricted.messages(asked(spelling), user=BOB)
    assert answer.status == 200, answer
    assert upstream.last.json()["model"] == upstream_model


@pytest.mark.parametrize(
    "spelling",
    [
        "claude-opus-5-5",
        "claude-opus-5-5[1m]",
        "CLAUDE-OPUS-5-5",
        "us.anthropic.claude-opus-5-5",
        "claude-sonnet-5-5[1m][1m]",
        "claude-sonnet-5-5 ",
        "sonnet",
        "claude-haiku-4-5-20990101",
        "no-such-model",
        "x" * 100_000,
        "../../v1/models",
        "claude-sonnet-5-5\n",
        "claude-sonnet-5-5\x00",
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_any_other_model_is_400(restricted: Gateway, upstream: AnthropicUpstream, spelling: str, path: str) -> None:
    answer = restricted.messages(asked(spelling), user=BOB, target=path)
    assert answer.status == 400
    kind, message = answer.error
    assert kind == "invalid_request_error"
    assert "claude-sonnet-5-5" in message, "it names what may be used instead"
    assert len(message) < 600
    assert upstream.requests == []


def test_an_empty_list_opens_nothing(restricted: Gateway, upstream: AnthropicUpstream) -> None:
    assert restricted.messages(asked("claude-sonnet-5-5"), user=CAROL).error[0] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("model", "message"),
    [(None, "model must be a string"), (5, "model must be a string"), (["a"], "model must be a string"),
     (True, "model must be a string"), ({}, "model must be a string"), ("", "model is required")],
)  # fmt: skip
def test_a_model_that_is_none(gateway: Gateway, model: object, message: str) -> None:
    answer = gateway.messages(asked(model))
    assert answer.status == 400
    assert answer.error == ("invalid_request_error", message)


def test_a_missing_model(gateway: Gateway) -> None:
    answer = gateway.messages(b'{"messages":[]}')
    assert (answer.status, answer.error) == (400, ("invalid_request_error", "model is required"))


@pytest.mark.parametrize("credential", ["authorization", "x-api-key"])
def test_the_list_is_what_the_caller_may_use(restricted: Gateway, credential: str) -> None:
    def listed(user: str) -> list[str]:
        value = key_of(user) if credential == "x-api-key" else f"Bearer {key_of(user)}"
        answer = fetch(restricted.port, "GET", "/v1/models?limit=1000", headers=[(credential, value)])
        assert answer.status == 200
        body = answer.json()
        assert body["has_more"] is False
        assert all({"type", "id", "display_name", "created_at"} <= model.keys() for model in body["data"])
        return [model["id"] for model in body["data"]]

    assert sorted(listed(BOB)) == ["claude-haiku-4-5-20251001", "claude-sonnet-5-5"]
    assert listed(CAROL) == []
    assert {"claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"} <= set(listed(ALICE))


def test_the_list_asks_for_a_key(gateway: Gateway) -> None:
    answer = gateway.get("/v1/models")
    assert (answer.status, answer.error[0]) == (401, "authentication_error")
