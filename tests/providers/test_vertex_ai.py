"""Google Cloud Vertex AI: what it is sent, and what a client gets of what it says."""

import json
from collections.abc import Iterator

import pytest
from tests.providers.google_cloud import EMAIL, GoogleCloud, running
from tests.standins import framing, messages
from tests.standins.gateway import Gateway
from tests.standins.raw_client import fetch
from tests.standins.upstream import stream
from tests.standins.vertex_ai import PROJECT, REGION, VertexAIStandIn, error_answer

BODY = (
    b'{ "model" : "claude-haiku-4-5-20251001",\n "max_tokens": 64, "temperature": 1.0,'
    b' "metadata": {"model": "inner", "tags": 1}, "unknown": [12345678901234567890, 1e400],'
    b' "messages": [{"role": "user", "content": "h\xc3\xa9"}] }'
)
STREAMED = BODY.replace(b'"max_tokens"', b'"stream": true, "max_tokens"')
HEAD = b'{ "model" : "claude-haiku-4-5-20251001",\n '
MODELS = f"/v1/projects/{PROJECT}/locations/{REGION}/publishers/anthropic/models"
MODEL = f"{MODELS}/claude-haiku-4-5@20251001"
COUNT = "/v1/messages/count_tokens?beta=true"


@pytest.fixture(scope="module")
def shared_google() -> Iterator[GoogleCloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def google(shared_google: GoogleCloud) -> Iterator[GoogleCloud]:
    shared_google.begin_test()
    yield shared_google
    assert shared_google.problems == []


@pytest.fixture
def vertex(google: GoogleCloud) -> VertexAIStandIn:
    return google.vertex


@pytest.fixture
def gateway(shared_gateway: Gateway, google: GoogleCloud) -> Iterator[Gateway]:
    shared_gateway.begin_test(google.manifests())
    yield shared_gateway
    shared_gateway.end_test()


def sent(body: bytes, *, version: bytes = b"vertex-2023-10-16") -> bytes:
    """The client's body without its model and with a version behind everything else."""
    assert body.startswith(HEAD)
    return b"{ " + body.removeprefix(HEAD).removesuffix(b" }") + b',"anthropic_version":"%b" }' % version


def with_member(member: bytes, body: bytes = BODY) -> bytes:
    return body.replace(b'"max_tokens"', member + b', "max_tokens"')


def test_a_message_is_a_raw_prediction(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    answer = gateway.messages(BODY)
    assert answer.status == 200
    assert answer.json() == messages.message(model="claude-haiku-4-5-20251001")
    assert vertex.last.target == f"{MODEL}:rawPredict"
    assert vertex.last.body == sent(BODY)


def test_a_stream_is_one_of_events_and_says_so_in_the_body(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    answer = gateway.messages(STREAMED)
    assert answer.body == b"".join(messages.events(model="claude-haiku-4-5-20251001"))
    assert vertex.last.target == f"{MODEL}:streamRawPredict"
    assert vertex.last.body == sent(STREAMED)
    assert vertex.last.json()["stream"] is True


def test_a_version_that_the_client_names_is_kept(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    body = with_member(b'"anthropic_version": "2026-10-21"')
    gateway.messages(body)
    assert vertex.last.body == b"{ " + body.removeprefix(HEAD)


def test_tokens_are_counted_by_a_model_of_their_own(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    answer = gateway.messages(with_member(b'"tags": {"team": "a"}'), target=COUNT)
    assert answer.json() == {"input_tokens": 1190}
    assert vertex.last.target == f"{MODELS}/count-tokens:rawPredict"
    model = BODY.replace(b"claude-haiku-4-5-20251001", b"claude-haiku-4-5@20251001")
    assert vertex.last.body == model.removesuffix(b" }") + b',"anthropic_version":"vertex-2023-10-16" }'


def test_tags_and_their_beta_stay_behind(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    headers = [("anthropic-beta", "request-tags-2026-08-21")]
    gateway.messages(with_member(b'"tags": {"team": "a"}'), headers=headers)
    assert vertex.last.body == sent(BODY)
    assert vertex.last.header("anthropic-beta") is None


def test_betas_are_one_list(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    headers = [("anthropic-beta", "a-2026-01-01 , b,, a-2026-01-01"), ("Anthropic-Beta", "request-tags-2026-08-21,c")]
    gateway.messages(BODY, headers=headers)
    assert vertex.last.all("anthropic-beta") == ["a-2026-01-01,b,a-2026-01-01,c"]


def test_a_client_s_headers_go_along(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    headers = [
        ("anthropic-of-next-year", "yes"),
        ("anthropic-workspace-id", "wrkspc_1"),
        ("user-agent", "whoever"),
        ("x-stainless-lang", "js"),
        ("x-claude-code-session-id", "s"),
        ("x-goog-user-project", "another"),
    ]
    gateway.messages(BODY, headers=headers)
    assert [vertex.last.header(name) for name, _ in headers] == ["yes", None, "whoever", "js", None, None]


def test_the_version_header_is_the_client_s_or_the_usual_one(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    bare = [(name, value) for name, value in gateway.headers() if name != "anthropic-version"]
    for given in [*bare, ("anthropic-version", "2026-10-21")], bare:
        assert fetch(gateway.port, "POST", "/v1/messages", headers=given, body=BODY).status == 200
    assert [one.header("anthropic-version") for one in vertex.requests] == ["2026-10-21", "2023-06-01"]


@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_a_profile_goes_into_its_header(gateway: Gateway, vertex: VertexAIStandIn, body: bytes) -> None:
    assert gateway.messages(with_member(b'"user_profile_id": "uprof_1"', body)).status == 200
    assert vertex.last.header("anthropic-user-profile-id") == "uprof_1"
    assert vertex.last.body == sent(body)


def test_a_failure_inside_of_a_stream_says_nothing_of_the_project(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    events = messages.events()
    told = b'data: {"error": {"code": 429, "message": "Quota of projects/%b"}}\n\n' % PROJECT.encode()
    vertex.script(*stream([*events[:3], told]))
    answer = gateway.messages(STREAMED)
    assert answer.body.startswith(b"".join(events[:3]) + b"event: error\n")
    assert PROJECT not in f"{answer.headers}{answer.body!r}"
    assert PROJECT in gateway.log_of("upstream.error", request_id=answer.header("x-request-id"))["message"]


def test_the_token_is_fetched_once(gateway: Gateway, vertex: VertexAIStandIn, google: GoogleCloud) -> None:
    for _ in range(3):
        assert gateway.messages(BODY).status == 200
    assert len({one.header("authorization") for one in vertex.requests}) == 1


SAID = f"Quota exceeded for base_model on projects/{PROJECT}/locations/{REGION} of {EMAIL}"
NATIVE = [
    (400, "INVALID_ARGUMENT", 400),
    (400, "FAILED_PRECONDITION", 400),
    (401, "UNAUTHENTICATED", 401),
    (403, "PERMISSION_DENIED", 403),
    (404, "NOT_FOUND", 404),
    (408, "DEADLINE_EXCEEDED", 408),
    (413, "INVALID_ARGUMENT", 413),
    (429, "RESOURCE_EXHAUSTED", 429),
    (499, "CANCELLED", 499),
    (500, "INTERNAL", 502),
    (503, "UNAVAILABLE", 529),
]


@pytest.mark.parametrize("array", [False, True], ids=["object", "array"])
@pytest.mark.parametrize(("status", "state", "told"), NATIVE)
@pytest.mark.parametrize(("body", "target"), [(BODY, "/v1/messages"), (STREAMED, "/v1/messages"), (BODY, COUNT)])
def test_no_error_of_google_s_says_anything_of_the_project(
    gateway: Gateway,
    vertex: VertexAIStandIn,
    *,
    body: bytes,
    target: str,
    status: int,
    state: str,
    told: int,
    array: bool,
) -> None:
    vertex.respond = lambda request: [error_answer(status, state, SAID, array=array)]
    answer = gateway.messages(body, target=target)
    assert answer.status == told
    for name in PROJECT, EMAIL, REGION, "HTTPServer2":
        assert name not in f"{answer.headers}{answer.body!r}"
    assert SAID in gateway.log_of("upstream.error", request_id=answer.header("x-request-id"))["message"]


@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_what_claude_says_of_a_request_is_the_client_s_without_the_project(
    gateway: Gateway, vertex: VertexAIStandIn, body: bytes
) -> None:
    said = "prompt is too long: 210000 tokens > 200000 maximum"
    vertex.script(framing.error_answer(400, "invalid_request_error", said))
    assert gateway.messages(body).error == ("invalid_request_error", said)
    vertex.script(framing.error_answer(400, "invalid_request_error", f"{said} in projects/{PROJECT}"))
    kind, text = gateway.messages(body).error
    assert (kind, PROJECT in text) == ("invalid_request_error", False)
    assert text.startswith(said)


def test_a_request_that_is_too_large_for_google_is_too_long(gateway: Gateway, vertex: VertexAIStandIn) -> None:
    said = "The request size (31457281 bytes) exceeds 30.000MB limit."
    vertex.script(error_answer(400, "INVALID_ARGUMENT", said))
    assert gateway.messages(BODY).error == ("invalid_request_error", "Input is too long.")


@pytest.mark.parametrize("front", [[], [b": kept alive\n\n", b"event: a\n\n"]], ids=["first", "behind-comments"])
def test_an_error_that_a_stream_begins_with_has_its_own_status(
    gateway: Gateway, vertex: VertexAIStandIn, front: list[bytes]
) -> None:
    told = {"error": {"code": 429, "message": SAID, "status": "RESOURCE_EXHAUSTED"}}
    vertex.script(*stream([*front, b"data: " + json.dumps(told).encode() + b"\n\n"]))
    answer = gateway.messages(STREAMED)
    assert (answer.status, answer.error[0]) == (429, "rate_limit_error")
    assert PROJECT not in f"{answer.headers}{answer.body!r}"
