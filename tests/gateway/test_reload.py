"""A new configuration is enforced without a restart and without touching what is under way."""

import json
import threading
from collections.abc import Callable

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream, Gate
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import compiled, policy, secret, smallest
from tests.standins.raw_client import connect
from tests.standins.requests_seen import Expected

from gateway_config import bundle

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
RELOADS = 100


def test_an_open_stream_finishes_while_new_requests_meet_the_new_rules(
    gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    gate, events = Gate(), messages.events()
    upstream.script(
        framing.stream_head(), framing.chunk(events[0]), gate, *map(framing.chunk, events[1:]), framing.LAST_CHUNK
    )
    client = gateway.begin(STREAMED)
    client.head()
    assert client.event() == events[0]
    denied = [one for one in smallest(upstream.url) if one["kind"] != "GatewayPolicy"]
    gateway.load([*denied, policy("everyone", availableModels=["claude-haiku-5-5"])])
    assert gateway.messages(BODY).status == 400
    gate.open()
    assert b"".join(client.pieces()) == b"".join(events[1:])
    client.close()


def test_a_kept_alive_connection_meets_the_new_rules_too(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    with connect(gateway.port) as client:
        assert client.request("POST", "/v1/messages", headers=gateway.headers(), body=BODY).status == 200
        others = [one for one in smallest(upstream.url) if one["kind"] != "GatewayPolicy"]
        gateway.load(others)
        assert client.request("POST", "/v1/messages", headers=gateway.headers(), body=BODY).status == 403


def test_a_revoked_key_is_refused(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    assert gateway.messages(BODY).status == 200
    gateway.load(smallest(upstream.url)[:-1])
    assert gateway.messages(BODY).status == 401


def test_a_rotated_credential_is_used_by_the_next_request(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.messages(BODY)
    fresh = "sk-ant-api03-rotated"
    manifests = smallest(upstream.url)
    manifests[1] = secret(value=fresh)
    gateway.load(manifests)
    upstream.expected = [Expected.api_key(fresh)]
    assert gateway.messages(BODY).status == 200
    assert [one.header("x-api-key") for one in upstream.requests] == [API_KEY, fresh]


def wait_for_more(served: list[int], failures: list[str]) -> None:
    count = sum(served)
    eventually(lambda: sum(served) > count or failures, what="a request between two reloads")


def test_100_reloads_under_load_fail_no_request(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    stop, failures, served = threading.Event(), list[str](), [0, 0, 0, 0]

    def client(number: int) -> None:
        body, whole = (STREAMED, b"".join(messages.events())) if number % 2 else (BODY, b"")
        with connect(gateway.port) as connection:
            while not stop.is_set():
                answer = connection.request("POST", "/v1/messages", headers=gateway.headers(), body=body)
                if answer.status != 200 or (whole and answer.body != whole):
                    failures.append(f"{answer}")
                served[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        first = gateway.status()["sequence"]
        for number in range(RELOADS):
            gateway.load(smallest(upstream.url, policy(f"extra-{number}", matches=[{"groups": ["x"]}])), wait=False)
            if number % 10 == 9:
                gateway.wait_for_sequence(first + number + 1)
            wait_for_more(served, failures)
        gateway.wait_for_sequence(first + RELOADS)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert failures == []
    assert min(served) > 0


def test_the_same_configuration_again_changes_nothing_but_the_sequence(
    gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    before = gateway.status()
    gateway.load(smallest(upstream.url))
    after = gateway.status()
    assert after["revision"] == before["revision"]
    assert after["sequence"] == before["sequence"] + 1


def corrupt_part(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"part-0": files["part-0"][:-1] + b"x"}


def corrupt_index(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {bundle.INDEX_FILE: b"{"}


def unknown_contract(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {bundle.INDEX_FILE: files[bundle.INDEX_FILE].replace(b'"contract":1', b'"contract":99')}


def other_credentials(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {bundle.CREDENTIALS_FILE: b'{"x":"credential-canary"}'}


def no_index(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name != bundle.INDEX_FILE}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (corrupt_part, "ConfigIncomplete"),
        (corrupt_index, "ConfigCorrupt"),
        (unknown_contract, "ContractUnknown"),
        (other_credentials, "ConfigIncomplete"),
        (no_index, "ConfigMissing"),
    ],
)
def test_a_bad_bundle_leaves_the_last_good_one_in_force(
    gateway: Gateway, upstream: AnthropicUpstream, damage: Callable[[dict[str, bytes]], dict[str, bytes]], reason: str
) -> None:
    good = gateway.status()
    failures = gateway.metric("claude_gateway_config_load_failures_total", reason=reason)
    result = compiled(smallest(upstream.url, policy("more", matches=[{"groups": ["x"]}])))
    assert result.configuration is not None
    files = bundle.pack(result.configuration, credentials=result.credentials, sequence=good["sequence"] + 1000)
    gateway.mount_files(damage(files))
    eventually(lambda: gateway.status()["last_error"], what="the load error on the admin port")
    status = gateway.status()
    assert status["last_error"]["reason"] == reason
    assert (status["revision"], status["sequence"]) == (good["revision"], good["sequence"])
    assert gateway.messages(BODY).status == 200
    assert gateway.get("/readyz").status == 200
    assert gateway.metric("claude_gateway_config_load_failures_total", reason=reason) == failures + 1
    assert gateway.metric("claude_gateway_config_load_failed", reason=reason) == 1
    assert any(line.get("reason") == reason for line in gateway.logs())
    assert "credential-canary" not in gateway.log_text() + json.dumps(status)
    gateway.mount_files(files)
    gateway.wait_for_sequence(good["sequence"] + 1000)
    assert gateway.status()["last_error"] is None
    assert gateway.metric("claude_gateway_config_load_failed") == 0
    gateway.continue_from(good["sequence"] + 1000)


def test_before_the_first_bundle_it_is_alive_but_not_ready(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    own_gateway.mount.mkdir()
    own_gateway.start(ready=False)
    eventually(lambda: own_gateway.answers("/healthz"), what="the proxy alive")
    assert own_gateway.get("/readyz").status == 503
    answer = own_gateway.messages(BODY)
    assert (answer.status, answer.error[0]) == (503, "api_error")
    own_gateway.load(smallest(upstream.url))
    assert own_gateway.get("/readyz").status == 200
    assert own_gateway.messages(BODY).status == 200
