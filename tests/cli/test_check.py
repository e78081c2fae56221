"""`claude-gateway check`: real calls, and for each way to fail the way out of it."""

import contextlib
import json
import os
import pty
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from tests.local import running
from tests.standins import framing, manifests
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream
from tests.standins.requests_seen import Received
from tests.standins.upstream import Gate, Script

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"


@pytest.fixture
def upstream() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server


def write(directory: Path, *documents: dict[str, Any], **spec: Any) -> Path:
    """A gateway, its policy for two models, the usual Secret, and what else is given."""
    everyone = manifests.policy("everyone", availableModels=[SONNET, HAIKU])
    whole = [manifests.deployment(**spec), everyone, manifests.secret(), *documents]
    return running.write(directory, {"all.yaml": yaml.safe_dump_all(whole)})


def check(directory: Path, *arguments: str, code: int, **variables: str) -> dict[str, Any]:
    """What `-o json` says."""
    result = running.run("check", directory, "-o", "json", *arguments, **variables)
    assert result.returncode == code, result.stdout + result.stderr
    assert API_KEY not in result.stdout + result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def only(document: dict[str, Any]) -> dict[str, Any]:
    (binding,) = document["bindings"]
    assert isinstance(binding, dict)
    return binding


def first_call(document: dict[str, Any]) -> dict[str, Any]:
    call = only(document)["calls"][0]
    assert isinstance(call, dict)
    return call


def refusing(status: int, kind: str, message: str) -> Any:
    error = {"type": "error", "error": {"type": kind, "message": message}}

    def respond(request: Received) -> Script:
        return [framing.json_answer(error, status=status, headers=[("request-id", "req_42")])]

    return respond


def test_all_is_well(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    directory = write(tmp_path, manifests.binding("anthropic", upstream.url))
    binding = only(check(directory, code=0))
    assert (binding["name"], binding["type"], binding["failed"]) == ("claude/anthropic", "Anthropic", False)
    assert binding["credential"] == {"field": "apiKeySecretRef", "state": "ok"}
    told = [(call["model"], call["kind"], call["ok"], call["status"]) for call in binding["calls"]]
    assert told == [
        (HAIKU, "Stream", True, 200),
        (HAIKU, "Message", True, 200),
        (HAIKU, "CountTokens", True, 200),
        (SONNET, "Stream", True, 200),
        (SONNET, "CountTokens", True, 200),
    ]
    assert all(call["milliseconds"] > 0 for call in binding["calls"])
    assert upstream.problems == []
    messages = [request.json() for request in upstream.requests if request.path == "/v1/messages"]
    assert {message["max_tokens"] for message in messages} == {1}


def test_people_get_a_table(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    directory = write(tmp_path, manifests.binding("anthropic", upstream.url))
    result = running.run("check", directory)
    assert (result.returncode, result.stderr) == (0, "")
    title, first, second, _, summary = result.stdout.splitlines()
    assert title.split() == ["BINDING", "WHERE", "CREDENTIAL", "MODEL", "RESULT", "COUNT_TOKENS", "MS"]
    host = f"127.0.0.1:{upstream.port}"
    row = ["claude/anthropic", "Anthropic", host, "apiKeySecretRef:", "ok", HAIKU, "ok", "ok"]
    assert first.split()[:-1] == row
    assert second.split()[:-1] == [SONNET, "ok", "ok"]
    assert summary == "1 of 1 binding answered"


def test_a_key_that_is_not_known(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    upstream.respond = refusing(401, "authentication_error", f"invalid x-api-key {API_KEY}")
    directory = write(tmp_path, manifests.binding("anthropic", upstream.url))
    document = check(directory, code=1)
    binding, call = only(document), first_call(document)
    assert binding["credential"]["state"] == "denied"
    assert (call["status"], call["code"], call["requestID"]) == (401, "authentication_error", "req_42")
    assert call["message"] == "invalid x-api-key [masked]"
    assert "spec.anthropic.apiKeySecretRef (Secret claude/anthropic key value)" in call["wayOut"]
    assert binding["modelsNotTried"] == [SONNET], "the next would be refused as well"
    assert len(upstream.requests) == 1
    told = running.run("check", directory)
    assert (
        "error: claude/anthropic claude-haiku-5-5: 401 authentication_error: invalid x-api-key [masked]" in told.stdout
    )
    assert API_KEY not in told.stdout + told.stderr


def test_a_model_that_is_not_there(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    def respond(request: Received) -> Script:
        if request.json()["model"] == HAIKU:
            return refusing(404, "not_found_error", f"model: {HAIKU}")(request)
        return upstream.usual(request)

    upstream.respond = respond
    directory = write(tmp_path, manifests.binding("anthropic", upstream.url))
    result = running.run("check", directory)
    assert result.returncode == 1
    assert f"error: claude/anthropic {HAIKU}: 404 not_found_error: model: {HAIKU} [req_42]" in result.stdout
    assert f"spec.models: [{{id: {HAIKU}, upstreamID: …}}]" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1][3:8] == ["apiKeySecretRef:", "ok", HAIKU, "404", "-"]
    assert rows[2][:3] == [SONNET, "ok", "ok"]
    assert "1 of 1" not in result.stdout


def test_a_failure_inside_of_a_stream(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    upstream.script(framing.stream_head(), framing.chunk(event), framing.LAST_CHUNK)
    call = first_call(check(write(tmp_path, manifests.binding("anthropic", upstream.url)), code=1))
    assert (call["status"], call["code"], call["message"]) == (529, "overloaded_error", "Overloaded")


def test_something_else_that_answers(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    def respond(request: Received) -> Script:
        return [framing.whole(200, b"<html><title>Sign in</title></html>", [("content-type", "text/html")])]

    upstream.respond = respond
    call = first_call(check(write(tmp_path, manifests.binding("anthropic", upstream.url)), code=1))
    assert (call["reason"], call["status"]) == ("NotAnAnswer", 200)
    assert "content-type: text/html" in call["message"]
    assert f"spec.anthropic.baseURL ({upstream.url})" in call["wayOut"]


def test_a_name_without_an_address(tmp_path: Path) -> None:
    directory = write(tmp_path, manifests.binding("anthropic", "https://claude.invalid"))
    call = first_call(check(directory, code=1))
    assert (call["reason"], call["status"]) == ("NameNotFound", None)
    assert call["wayOut"].startswith("claude.invalid has no address from here: check the spelling in spec.anthropic.")


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    call = first_call(check(write(tmp_path, manifests.binding("anthropic", url)), code=1))
    assert call["reason"] == "ConnectionRefused"
    assert call["wayOut"] == f"nothing listens at {url[7:]}: check host and port in spec.anthropic.baseURL ({url})"


def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with AnthropicUpstream(tls=context) as upstream:
        directory = write(tmp_path, manifests.binding("anthropic", upstream.url))
        call = first_call(check(directory, code=1))
        assert call["reason"] == "CertificateUntrusted"
        assert "spec.egress.caRef of the GatewayDeployment" in call["wayOut"]
        ca = {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}
        config_map = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ca", "namespace": "claude"},
            "data": {"ca.crt": authority.cert_pem.bytes().decode()},
        }
        egress = {"allowLoopback": True, "caRef": ca}
        binding = manifests.binding("anthropic", upstream.url)
        check(write(tmp_path, binding, config_map, egress=egress), code=0)


def test_a_forward_proxy_that_says_no(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    upstream.respond = refusing(403, "proxy", "no")
    egress = {"allowLoopback": True, "proxyURL": upstream.url}
    directory = write(tmp_path, manifests.binding("anthropic", "https://claude.corp.example"), egress=egress)
    call = first_call(check(directory, code=1))
    assert call["reason"] == "ForwardProxy"
    assert call["message"] == "the forward proxy answered CONNECT with 403"
    assert "must allow CONNECT to claude.corp.example" in call["wayOut"]


@pytest.mark.parametrize("proxy", ["http://proxy.invalid:3128", "nobody"])
def test_a_forward_proxy_that_is_not_there(tmp_path: Path, proxy: str) -> None:
    if proxy == "nobody":
        with socket.create_server(("127.0.0.1", 0)) as server:
            proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
    egress = {"allowLoopback": True, "proxyURL": proxy}
    directory = write(tmp_path, manifests.binding("anthropic", "https://claude.corp.example"), egress=egress)
    call = first_call(check(directory, code=1))
    assert call["reason"] == "ForwardProxyUnreachable"
    assert call["wayOut"].startswith("the forward proxy of spec.egress.proxyURL in the GatewayDeployment cannot be")


def test_an_answer_that_does_not_come(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    upstream.script(Gate())
    directory = write(tmp_path, manifests.binding("anthropic", upstream.url))
    call = first_call(check(directory, "--timeout", "0.3", code=1))
    assert call["reason"] == "Timeout"
    assert call["message"] == "no whole answer within 0.3 s"
    assert "--timeout" in call["wayOut"]


def test_one_broken_binding_does_not_hide_the_others(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    directory = write(
        tmp_path,
        manifests.binding("broken", "https://claude.invalid", priority=10),
        manifests.binding("good", upstream.url),
        manifests.binding("keyless", upstream.url, secret="nowhere"),
    )
    document = check(directory, code=1)
    assert [(each["name"], each["failed"]) for each in document["bindings"]] == [
        ("claude/broken", True),
        ("claude/good", False),
        ("claude/keyless", True),
    ]
    assert document["bindings"][2]["credential"] == {"field": "apiKeySecretRef", "state": "missing"}
    problem = document["bindings"][2]["problem"]
    assert "spec.anthropic.apiKeySecretRef: Secret claude/nowhere does not exist" in problem["message"]
    assert "--secret-env nowhere/value=VARIABLE" in problem["wayOut"]
    told = running.run("check", directory).stdout
    assert "1 of 3 bindings answered, 2 failed" in told


def test_a_secret_from_the_environment(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    directory = write(tmp_path, manifests.binding("anthropic", upstream.url, secret="mine"))
    check(directory, "--secret-env", "mine/value=MY_KEY", code=0, MY_KEY=API_KEY)
    assert upstream.problems == []
    refused = running.run("check", directory, "--secret-env", "mine/value=MY_KEY")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "the environment variable MY_KEY is not set" in refused.stderr


def test_which_models_are_tried(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    def models(*arguments: str, code: int = 0) -> list[str]:
        binding = only(check(tmp_path, *arguments, code=code))
        return list(dict.fromkeys(call["model"] for call in binding["calls"]))

    write(tmp_path, manifests.binding("anthropic", upstream.url))
    assert models("--model", SONNET) == [SONNET]
    assert models("--model", "claude-sonnet-5-5[1m]") == [SONNET]
    whole = [manifests.deployment(), manifests.policy("everyone"), manifests.secret()]
    whole.append(manifests.binding("anthropic", upstream.url))
    running.write(tmp_path, {"all.yaml": yaml.safe_dump_all(whole)})
    newest = models()
    assert newest[:3] == [HAIKU, SONNET, "claude-opus-5-5"]
    assert newest[3].startswith("claude-fable-")
    left_out = only(check(tmp_path, code=0))["modelsNotTried"]
    assert len(models("--all-models")) == 4 + len(left_out)
    unknown = check(tmp_path, "--model", "claude-nothing", code=1)
    assert unknown["unknownModels"] == ["claude-nothing"]


def test_nothing_that_can_be_used(tmp_path: Path) -> None:
    running.write(tmp_path, {"all.yaml": "a: b: c"})
    assert running.run("check", tmp_path).returncode == 2
    whole = [manifests.deployment(publicURL="nonsense")]
    running.write(tmp_path, {"all.yaml": yaml.safe_dump_all(whole)})
    result = running.run("check", tmp_path)
    assert result.returncode == 2
    assert "spec.publicURL" in result.stderr
    running.write(tmp_path, {"all.yaml": yaml.safe_dump_all([manifests.deployment()])})
    result = running.run("check", tmp_path)
    assert (result.returncode, result.stderr) == (1, "error: no ProviderBinding refers to the gateway claude/corp\n")


def test_nothing_is_left_behind(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    directory = write(tmp_path / "manifests", manifests.binding("anthropic", upstream.url))
    private = tmp_path / "private"
    private.mkdir()
    check(directory, code=0, TMPDIR=str(private))
    assert list(private.iterdir()) == []


def test_a_person_sees_how_far_it_is(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    directory = write(tmp_path, manifests.binding("anthropic", upstream.url))
    parent, child = pty.openpty()
    environment = running.environment(TERM="xterm-256color")
    command = [*running.CLI, "check", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=child, env=environment) as process:
        os.close(child)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that a terminal has closed
            while piece := os.read(parent, 4096):
                shown += piece
        assert process.stdout is not None
        table = process.stdout.read()
    os.close(parent)
    assert process.returncode == 0
    assert b"last: claude/anthropic" in shown
    assert b"1 of 1 binding answered" in table
    assert b"\x1b" not in table


def test_it_ends_cleanly_when_it_is_told_to(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    gate = Gate()
    upstream.script(gate)
    directory = write(tmp_path / "manifests", manifests.binding("anthropic", upstream.url))
    private = tmp_path / "private"
    private.mkdir()
    environment = running.environment(TMPDIR=str(private))
    command = [*running.CLI, "check", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        gate.wait_until_reached()
        process.terminate()
        assert process.wait(running.DEADLINE) == 143
    gate.open()
    assert list(private.iterdir()) == []
