"""Errors of clouds: what of them a client gets to know, and what stays in the log."""

import json
import logging
from typing import Any

import pytest

from gateway_config.contract import ProviderType, Timeouts, Upstream
from gateway_config.parts import Value
from gateway_config.upstream_credentials import (
    AWSCredential,
    Credential,
    EntraClient,
    EntraCredential,
    FederatedCredential,
    GoogleCredential,
    StaticCredential,
)
from gateway_proxy.identity.principal import Principal
from gateway_proxy.messages.body import scan
from gateway_proxy.providers import cloud_errors, told_errors
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.cloud_names import WITHHELD, Names
from gateway_proxy.providers.told_errors import LINES_A_MINUTE
from gateway_proxy.upstream.head import ResponseHead

SECRET = Value(name="a", sha256="0" * 64)
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/corp-canary"
MODEL = "claude-sonnet-4-6"


def upstream(kind: ProviderType, credential: Credential, **more: Any) -> Upstream:
    return Upstream(
        name="claude/cloud",
        type=kind,
        priority=0,
        credential=credential,
        timeouts=Timeouts(connect_seconds=1, first_byte_seconds=1, idle_seconds=1),
        **{"base_url": "https://upstream.example", "models": {MODEL: MODEL}} | more,
    )


BEDROCK = Names(
    upstream(
        "Bedrock",
        AWSCredential(role_arn="arn:aws:iam::123456789012:role/gateway-canary"),
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
        models={MODEL: ARN},
    )
)
VERTEX = Names(
    upstream(
        "VertexAI",
        GoogleCredential(impersonate="claude@corp-canary.iam.gserviceaccount.com"),
        base_url="https://aiplatform.googleapis.com",
        project_id="corp-canary-1",
    )
)
FOUNDRY = Names(
    upstream(
        "Foundry",
        EntraCredential(client=EntraClient(tenant_id="tenant-canary", client_id="client-canary", secret=SECRET)),
        base_url="https://corp-canary.services.ai.azure.com/anthropic",
    )
)
CALL = Call(
    target=b"/v1/messages",
    headers=(),
    betas=(),
    members=scan(b'{"model":"m"}'),
    principal=Principal(caller=None),
    model="anthropic.claude-sonnet-4-6",
    canonical=MODEL,
    stream=False,
    counts=False,
    accept_encoding=None,
    request_id="gw-request",
)


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes the lines of another."""
    monkeypatch.setattr(told_errors, "_lines", told_errors.Lines())


def answered(
    names: Names, status: int, body: bytes | dict[str, Any] | list[Any], *headers: tuple[bytes, bytes]
) -> tuple[int, dict[str, Any], ResponseHead]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head, out = cloud_errors.translated(names, CALL, ResponseHead.answered(status, *headers), raw)
    value = json.loads(out)
    assert value.keys() == {"type", "error", "request_id"}
    assert (value["type"], value["request_id"]) == ("error", "gw-request")
    assert head.get(b"content-type") == b"application/json"
    return head.status, value["error"], head


def aws(message: str, key: str = "message") -> dict[str, Any]:
    return {key: message}


def google(message: str, code: int = 400, status: str = "INVALID_ARGUMENT") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}


def azure(message: str) -> dict[str, Any]:
    return {"error": {"code": "BadRequest", "message": message}}


def anthropic(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_vrtx_1"}


GENERIC = "the upstream does not take this request; what it said of it is in the gateway's log"
RETURNED = "The model returned the following errors: "
SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (aws("Input is too long for requested model."), "capability_rejected: prompt_too_long"),
        (aws("Input is too long for requested model.", "Message"), "capability_rejected: prompt_too_long"),
        (google("prompt is too long: 215000 tokens > 200000 maximum"), "capability_rejected: prompt_too_long"),
        (aws(RETURNED + "prompt is too long: 2 > 1"), "capability_rejected: prompt_too_long"),
        (aws("Input is too long."), "Input is too long."),
        (google("The request size (33554432 bytes) exceeds 30.000MB limit."), "Input is too long."),
        (google("The message size (33554432) exceeds the limit"), "Input is too long."),
        (aws("The provided model identifier is invalid."), "model claude-sonnet-4-6 is not available on bedrock"),
        (aws("messages.0.content.1.image.source.base64: invalid base64 data"), "capability_rejected: image_block"),
        (azure("Could not process image"), "capability_rejected: image_block"),
        (aws("The PDF specified was not valid."), "capability_rejected: document_block"),
        (
            google("messages.0.content.0: Input tag 'document' found using 'type' does not match: 'text', 'image'"),
            "capability_rejected: document_block",
        ),
        (
            google("messages.0.content.0: Input tag 'image' found using 'type' does not match: 'text', 'document'"),
            "capability_rejected: image_block",
        ),
        (aws(RETURNED + SIGNATURE), "capability_rejected: thinking_signature"),
        (aws(RETURNED + SIGNATURE.replace("`", "")), "capability_rejected: thinking_signature"),
        (aws("messages.3.content.0.thinking.signature: Field required"), "capability_rejected: thinking_signature"),
        (
            azure("`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified"),
            "capability_rejected: thinking_signature",
        ),
        (
            aws("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
            "capability_rejected: max_tokens_context_overflow",
        ),
        (
            google("Unexpected value(s) `new-thing-2026-11-01`, `x` for the `anthropic-beta` header."),
            "capability_rejected: beta_header:new-thing-2026-11-01",
        ),
        (aws("adaptive thinking is not supported on this model"), "capability_rejected: thinking_type:adaptive"),
        (aws("output_config.effort: Extra inputs are not permitted"), "capability_rejected: effort_unsupported"),
        (azure("This model does not support the effort parameter."), "capability_rejected: effort_unsupported"),
        (aws("messages.4: role 'system' is not supported on this model"), "capability_rejected: mid_conv_system"),
        (aws("safeguards: Extra inputs are not permitted"), GENERIC),
        (aws("Invocation of model ID x with on-demand throughput isn't supported."), GENERIC),
        (google("Request contains an invalid argument."), GENERIC),
        ([google("Request contains an invalid argument.")], GENERIC),
        ([], GENERIC),
        (b"<html><h1>Bad Request</h1></html>", GENERIC),
        (b"", GENERIC),
        (b"prompt is too long: no JSON", GENERIC),
        (b'{"message":' + b"[" * 50_000, GENERIC),
        (b'{"message":"' + b"prompt is too long" * 5000 + b'"}', GENERIC),
        (b'{"message":"lone \\ud800: Input is too long for requested model."}', "capability_rejected: prompt_too_long"),
    ],
)
def test_a_400_of_the_cloud_s_own_form(body: Any, message: str) -> None:
    assert answered(BEDROCK, 400, body)[:2] == (400, {"type": "invalid_request_error", "message": message})


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 215000 tokens > 200000 maximum",
        "The request size (33554432 bytes) exceeds 30.000MB limit.",
        SIGNATURE,
        "messages: at least one message is required \u20ac",
    ],
)
def test_the_messages_api_s_own_words_stay(message: str) -> None:
    """Cases 7 and 10."""
    expected = {"type": "invalid_request_error", "message": message}
    assert answered(FOUNDRY, 400, anthropic(message, "x_error"))[:2] == (400, expected)
    wrapped = google(json.dumps(anthropic(message)))
    assert answered(VERTEX, 400, wrapped)[:2] == (400, expected)
    too_large = {"type": "request_too_large", "message": message}
    assert answered(FOUNDRY, 413, anthropic(message))[:2] == (413, too_large)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"The model {ARN} is gone", f"The model {WITHHELD} is gone"),
        ("arn:aws-cn:iam::210987654321:role/x, then", f"{WITHHELD}, then"),
        ("account 210987654321 has", f"account {WITHHELD} has"),
        ("Project corp-canary-1 has no `corp-canary-1`", f"Project {WITHHELD} has no `{WITHHELD}`"),
        ("projects/87654321/locations/eu is", f"{WITHHELD}/locations/eu is"),
        ("claude@corp-canary.iam.gserviceaccount.com", WITHHELD),
        ("somebody.else+x@corp.example cannot", f"{WITHHELD} cannot"),
        ("at eu-x.services.ai.azure.com/anthropic", f"at {WITHHELD}/anthropic"),
        ("/subscriptions/6d1c/resourceGroups/rg-x/y", f"/{WITHHELD}/{WITHHELD}/y"),
        ("tenant 11111111-2222-3333-4444-5555aaaaFFFF", f"tenant {WITHHELD}"),
        ("no route to bedrock-runtime.eusc-de-east-1.amazonaws.eu", f"no route to {WITHHELD}"),
        ("key AKIAIOSFODNN7EXAMPLE in wrkspc_01Abcdefgh", f"key {WITHHELD} in {WITHHELD}"),
        ("prompt is too long: 1215000 tokens > 1000000", "prompt is too long: 1215000 tokens > 1000000"),
        ("max_tokens: 1234567890123 > 0.123456789012", "max_tokens: 1234567890123 > 0.123456789012"),
    ],
)
def test_names_are_cut_out_of_the_messages_api_s_words_too(said: str, told: str) -> None:
    assert answered(VERTEX, 400, anthropic(said))[1]["message"] == told


def test_names_of_the_binding_are_cut_whatever_their_form() -> None:
    federated = FederatedCredential(
        organization_id="the-organization",
        federation_rule_id="the-rule",
        service_account_id="the-account",
        workspace_id="the-workspace",
        token_file="/t",
    )
    for names, own in (
        (FOUNDRY, "corp-canary tenant-canary client-canary"),
        (Names(upstream("Anthropic", federated)), "the-organization the-rule the-account the-workspace"),
        (Names(upstream("ClaudePlatformAWS", AWSCredential(), workspace_id="w-canary")), "w-canary upstream.example"),
        (BEDROCK, "corp-canary"),
        # What is too short to be told from a part of a word stays.
        (Names(upstream("VertexAI", StaticCredential(kind="ApiKey", name="n", sha256="0" * 64), project_id="p")), ""),
    ):
        text = names.withheld(f"a project: {own}")
        assert text == " ".join(["a project:", *[WITHHELD] * len(own.split())]).ljust(len("a project: "))


@pytest.mark.parametrize(
    ("status", "headers", "out", "kind"),
    [
        (400, [(b"x-amzn-errortype", b"ServiceQuotaExceededException:http://x/")], 429, "rate_limit_error"),
        (401, [], 401, "authentication_error"),
        (402, [], 402, "api_error"),
        (403, [], 403, "permission_error"),
        (404, [], 404, "not_found_error"),
        (405, [], 405, "api_error"),
        (408, [], 408, "api_error"),
        (408, [(b"x-amzn-errortype", b"ModelTimeoutException")], 502, "api_error"),
        (409, [], 409, "api_error"),
        (413, [], 413, "request_too_large"),
        (415, [], 415, "api_error"),
        (422, [], 422, "api_error"),
        (424, [], 424, "api_error"),
        (424, [(b"x-amzn-errortype", b"ModelErrorException")], 502, "api_error"),
        (429, [], 429, "rate_limit_error"),
        (429, [(b"x-amzn-errortype", b"ModelNotReadyException")], 429, "rate_limit_error"),
        (499, [], 499, "api_error"),
        (500, [], 502, "api_error"),
        (501, [], 501, "not_supported"),
        (502, [], 502, "api_error"),
        (503, [], 529, "overloaded_error"),
        (504, [], 502, "api_error"),
        (520, [], 502, "api_error"),
        (529, [], 529, "overloaded_error"),
    ],
)
def test_other_statuses_say_nothing_of_the_upstream(
    status: int, headers: list[tuple[bytes, bytes]], out: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    canary = f"User: {ARN} is not authorized"
    hints = [(b"retry-after", b"21"), (b"x-should-retry", b"true"), (b"x-amzn-requestid", b"aws-1"), (b"x-a", b"b")]
    forms: list[dict[str, Any] | bytes] = [aws(canary), canary.encode(), {"message": {"x": canary}}]
    if status != 413:
        forms.append(anthropic(canary) if status != 400 else google(canary))
    for body in forms:
        caplog.clear()
        with caplog.at_level(logging.INFO):
            answer, error, head = answered(BEDROCK, status, body, *hints, *headers)
        assert (answer, error["type"]) == (out, kind)
        assert "canary" not in error["message"]
        assert "1234" not in error["message"]
        assert [head.get(name) for name, _ in hints] == [b"21", b"true", b"aws-1", None]
        (record,) = caplog.records
        assert canary in record.getMessage()
        told = record.__dict__
        assert (told["event"], told["upstream"], told["status"]) == ("upstream.error", "claude/cloud", status)
        assert (told["request_id"], told["upstream_request_id"].split()[0]) == ("gw-request", "aws-1")


@pytest.mark.parametrize("status", [401, 403, 501])
def test_what_only_an_administrator_can_repair_is_not_to_be_tried_again(status: int) -> None:
    assert answered(FOUNDRY, status, b"{}")[2].get(b"x-should-retry") == b"false"


def test_aws_names_its_errors_in_the_body_too() -> None:
    body = {"__type": "com.amazon.coral.service#ServiceQuotaExceededException", "message": "too much"}
    assert answered(BEDROCK, 400, body)[0] == 429


def test_the_log_has_the_id_in_the_envelope_and_a_bounded_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answered(VERTEX, 400, anthropic("x" * 100_000))
        answered(VERTEX, 400, anthropic("no"))
    first, second = caplog.records
    assert len(first.getMessage()) < 8192
    assert second.__dict__["upstream_request_id"] == "req_vrtx_1"


def test_errors_in_a_loop_do_not_fill_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    other = Names(upstream("Bedrock", AWSCredential()).model_copy(update={"name": "claude/other"}))
    monkeypatch.setattr(told_errors, "_lines", told_errors.Lines(lambda: now))
    with caplog.at_level(logging.INFO):
        for _ in range(LINES_A_MINUTE + 7):
            assert answered(BEDROCK, 400, aws("no"))[0] == 400, "the client is told all the same"
        assert len(caplog.records) == LINES_A_MINUTE
        for names, status in ((other, 400), (BEDROCK, 500)):
            answered(names, status, aws("of another upstream, and of the upstream's own"))
        assert len(caplog.records) == LINES_A_MINUTE + 2
        now += 120
        for _ in range(2):
            answered(BEDROCK, 400, aws("no"))
    said = [record.__dict__.get("withheld") for record in caplog.records]
    assert said == [None] * (LINES_A_MINUTE + 2) + [7, None]


def test_a_name_that_is_part_of_another_word_stays_in_it() -> None:
    names = Names(upstream("VertexAI", GoogleCredential(), project_id="corp"))
    assert names.withheld("corp: corporate, incorporated, (corp)") == (
        f"{WITHHELD}: corporate, incorporated, ({WITHHELD})"
    )
