"""Several upstreams: who gets which request, what happens to one that fails, and how it shows."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, End, Gate, Script, usual
from tests.standins.gateway import ALICE, Gateway, eventually
from tests.standins.manifests import Manifest, binding, deployment, developer_key, policy, secret
from tests.standins.raw_client import fetch
from tests.standins.requests_seen import Expected, Received

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
NAMES = ("ant", "bee", "cat", "dog")
SESSION = "x-claude-code-session-id"


@pytest.fixture
def upstreams() -> Iterator[dict[str, AnthropicUpstream]]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(AnthropicUpstream()) for name in NAMES}
        yield servers
        assert [problem for server in servers.values() for problem in server.problems] == []


def manifests(upstreams: dict[str, AnthropicUpstream], *names: str, **spec: Any) -> list[Manifest]:
    """Bindings of equal priority; `spec`: by name what one says besides."""
    return [
        deployment(),
        secret(),
        *(binding(name, upstreams[name].url, **spec.get(name, {})) for name in names),
        policy("everyone"),
        developer_key(ALICE),
    ]


def failing(status: int, **more: str) -> Callable[[Received], Script]:
    headers = [(name.replace("_", "-"), value) for name, value in more.items()]
    return lambda request: [framing.error_answer(status, "some_error", f"status {status}", headers=headers)]


def ask(gateway: Gateway, session: str, *, body: bytes = BODY) -> dict[str, Any]:
    """The audit line of an answered request of a session."""
    answer = gateway.messages(body, headers={SESSION: session})
    assert answer.status == 200, answer
    return gateway.audit_of(answer)


def chosen(gateway: Gateway, sessions: list[str]) -> dict[str, str]:
    with ThreadPoolExecutor(8) as pool:
        lines = pool.map(lambda session: ask(gateway, session), sessions)
        return {
            session: line["upstream"].removeprefix("claude/") for session, line in zip(sessions, lines, strict=True)
        }


# --- affinity ----------------------------------------------------------------------------------------------------


def test_sessions_keep_to_their_upstream_in_every_pod_and_only_those_of_one_that_goes_move(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream], tmp_path: Path
) -> None:
    sessions = [f"session-{number}" for number in range(200)]
    gateway.load(manifests(upstreams, *NAMES))
    other = Gateway(tmp_path / "other")
    other.load(manifests(upstreams, *NAMES))
    try:
        other.start()
        before = chosen(gateway, sessions)
        assert chosen(gateway, sessions) == before
        assert chosen(other, sessions) == before
        gone = set(NAMES) - {"bee"}
        for one in (gateway, other):
            one.load(manifests(upstreams, *sorted(gone)))
        after = chosen(gateway, sessions)
        assert chosen(other, sessions) == after
        assert all(30 < sum(name == one for one in before.values()) < 70 for name in NAMES)
        assert {session for session in sessions if after[session] != before[session]} == {
            session for session in sessions if before[session] == "bee"
        }
        other.load(manifests(upstreams, *NAMES))
        assert chosen(other, sessions) == before, "it is back, and so are they"
    finally:
        other.stop()


def test_without_a_session_the_caller_keeps_to_one(gateway: Gateway, upstreams: dict[str, AnthropicUpstream]) -> None:
    gateway.load(manifests(upstreams, *NAMES))
    for _ in range(12):
        assert gateway.messages(BODY).status == 200
    assert sorted(len(upstreams[name].requests) for name in NAMES) == [0, 0, 0, 12]


def test_weights_share_the_sessions(gateway: Gateway, upstreams: dict[str, AnthropicUpstream]) -> None:
    gateway.load(manifests(upstreams, "ant", "bee", bee={"weight": 9}))
    chosen(gateway, [f"session-{number}" for number in range(200)])
    assert 5 <= len(upstreams["ant"].requests) <= 40


def test_a_session_s_sonnet_and_haiku_go_the_same_way(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    gateway.load(manifests(upstreams, *NAMES))
    for number in range(10):
        lines = [ask(gateway, f"s{number}", body=b'{"model":"claude-%s-5-5"}' % one) for one in (b"sonnet", b"haiku")]
        assert lines[0]["upstream"] == lines[1]["upstream"]


# --- failures ----------------------------------------------------------------------------------------------------


def test_no_request_fails_while_one_of_three_flaps(gateway: Gateway, upstreams: dict[str, AnthropicUpstream]) -> None:
    names = NAMES[:3]
    gateway.load(manifests(upstreams, *names, ant={"health": {"failuresBeforeCoolDown": 2, "coolDown": "1s"}}))
    scripts = [
        *(failing(500), usual, failing(529, retry_after="1"), lambda request: [End.RESET], usual, failing(401)),
        *(lambda request: [framing.stream_head(), End.CLOSE], usual, failing(429), lambda request: [End.CLOSE]),
    ]

    def flapping(request: Received) -> Script:
        return scripts[len(upstreams["ant"].requests) // 20 % len(scripts)](request)

    upstreams["ant"].respond = flapping
    requests = [(f"session-{number % 60}", BODY if number % 2 else STREAMED) for number in range(1500)]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda one: gateway.messages(one[1], headers={SESSION: one[0]}), requests))
    assert {answer.status for answer in answers} == {200}
    assert all(
        b"message_stop" in one.body for one, (_, body) in zip(answers, requests, strict=True) if body is STREAMED
    )
    assert gateway.metric("claude_gateway_upstream_cool_downs_total", upstream="claude/ant") > 0
    eventually(lambda: gateway.metric("claude_gateway_upstream_open_requests") == 0, what="all places free")


def test_of_500_streams_at_once_none_fails_while_one_of_three_flaps(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    names = NAMES[:3]
    gateway.load(manifests(upstreams, *names, ant={"health": {"failuresBeforeCoolDown": 50, "coolDown": "1s"}}))
    all_open = Gate()
    first, *rest = messages.events()

    def slow(request: Received) -> Script:
        chunks = [framing.chunk(event) for event in rest]
        return [framing.stream_head(), framing.chunk(first), all_open, *chunks, framing.LAST_CHUNK]

    ways = [failing(503), slow, lambda request: [End.RESET], slow, failing(429), lambda request: [End.CLOSE]]
    for name in names:
        upstreams[name].respond = slow
    upstreams["ant"].respond = lambda request: ways[len(upstreams["ant"].requests) % len(ways)](request)
    streams = [gateway.begin(STREAMED, headers={SESSION: f"session-{number}"}) for number in range(500)]
    open_now = "claude_gateway_upstream_open_requests"
    with ThreadPoolExecutor(16) as pool:
        assert {head.status for head in pool.map(lambda stream: stream.head(), streams)} == {200}
        assert gateway.metric(open_now) == 500
        assert 0 < gateway.metric(open_now, upstream="claude/ant") < 160, "some of its streams, and not all"
        all_open.open()
        bodies = list(pool.map(lambda stream: b"".join(stream.pieces()), streams))
    assert set(bodies) == {b"".join([first, *rest])}


def test_an_upstream_that_fails_goes_behind_the_others_and_comes_back(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    first = {"priority": 10, "health": {"failuresBeforeCoolDown": 3, "coolDown": "1s"}}
    gateway.load(manifests(upstreams, "ant", "bee", ant=first))
    ant = upstreams["ant"]
    ant.respond = failing(500)
    assert [ask(gateway, "s")["why"] for _ in range(3)] == ["Failover"] * 3
    gauge = {"upstream": "claude/ant", "model": "claude-sonnet-5-5"}
    assert gateway.metric("claude_gateway_upstream_cooling_down", **gauge) == 1
    line = ask(gateway, "s")
    if len(ant.requests) == 3:  # within the second
        assert (line["why"], line["attempts"]) == ("CoolingDown", 1)
        assert line["passed_over"] == {"claude/ant": "CoolingDown"}
    assert line["upstream"] == "claude/bee"
    ant.respond = usual
    back = eventually(
        lambda: (line := ask(gateway, "s"))["upstream"] == "claude/ant" and line, what="the first one tried again"
    )
    assert back["why"] == "Probe"
    assert ask(gateway, "s")["why"] == "Preferred"
    assert gateway.metric("claude_gateway_upstream_cooling_down", **gauge) == 0
    eventually(
        lambda: (
            [one["event"] for one in gateway.logs() if one.get("upstream") == "claude/ant"][-1:]
            == ["upstream.recovered"]
        ),
        what="a log line of its return",
    )


def test_other_models_of_it_stay_where_they_are(gateway: Gateway, upstreams: dict[str, AnthropicUpstream]) -> None:
    gateway.load(manifests(upstreams, "ant", "bee", ant={"priority": 10}))
    upstreams["ant"].respond = failing(429, retry_after="60")
    ask(gateway, "s")
    upstreams["ant"].respond = usual
    assert ask(gateway, "s")["why"] == "CoolingDown", "a retry-after is believed at once"
    assert ask(gateway, "s", body=b'{"model":"claude-haiku-5-5"}')["upstream"] == "claude/ant"


def test_where_all_cool_down_they_are_tried_all_the_same(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    gateway.load(manifests(upstreams, "ant", "bee", ant={"priority": 10}))
    for name in ("ant", "bee"):
        upstreams[name].respond = failing(503, retry_after="60")
    assert gateway.messages(BODY).status == 529
    upstreams["bee"].respond = usual
    line = ask(gateway, "s")
    assert (line["upstream"], line["why"], line["attempts"]) == ("claude/bee", "LastResort", 2)
    assert line["passed_over"] == {"claude/ant": "5xx"}


def test_a_cool_down_outlives_a_reload_but_not_a_new_credential(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    given = manifests(upstreams, "ant", "bee", ant={"priority": 10})
    gateway.load(given)
    upstreams["ant"].respond = failing(401, retry_after="60")
    ask(gateway, "s")
    upstreams["ant"].respond = usual
    gateway.load([*given, developer_key("bob@corp.example")])
    assert ask(gateway, "s")["why"] == "CoolingDown"
    for name in ("ant", "bee"):
        upstreams[name].expected[0] = Expected.api_key("sk-ant-api03-renewed")
    given[1] = secret(value="sk-ant-api03-renewed")
    gateway.load(given)
    assert ask(gateway, "s")["upstream"] == "claude/ant"


def test_what_an_upstream_says_to_count_tokens_is_not_held_against_it(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    once = {"failuresBeforeCoolDown": 1, "coolDown": "60s"}
    gateway.load(manifests(upstreams, "ant", "bee", ant={"priority": 10, "health": once}))
    upstreams["ant"].respond = failing(404)
    assert gateway.messages(BODY, target="/v1/messages/count_tokens").status == 200
    upstreams["ant"].respond = usual
    assert ask(gateway, "s")["upstream"] == "claude/ant"


# --- requests at once --------------------------------------------------------------------------------------------


def test_a_full_upstream_is_passed_over_and_with_all_full_the_client_may_come_again(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    most = {"maxConcurrentRequests": 1}
    gateway.load(manifests(upstreams, "ant", "bee", ant={"priority": 10, **most}, bee=most))
    gate = Gate()
    held = [framing.stream_head(), framing.chunk(messages.events()[0]), gate, framing.LAST_CHUNK]
    streams = []
    for name in ("ant", "bee"):
        upstreams[name].script(*held)
        stream = gateway.begin(STREAMED)
        stream.head()
        streams.append(stream)
    assert (len(upstreams["ant"].requests), len(upstreams["bee"].requests)) == (1, 1)
    assert gateway.metric("claude_gateway_upstream_full_total", upstream="claude/ant") == 1
    assert gateway.metric("claude_gateway_upstream_open_requests") == 2
    refused = gateway.messages(BODY)
    assert (refused.status, refused.error[0], refused.header("retry-after")) == (529, "overloaded_error", "1")
    assert gateway.audit_of(refused)["passed_over"] == {"claude/ant": "Full", "claude/bee": "Full"}
    assert gateway.metric("claude_gateway_refusals_total", reason="UpstreamsFull") == 1
    streams[0].close()
    eventually(lambda: gateway.metric("claude_gateway_upstream_open_requests") == 1, what="its place free")
    assert ask(gateway, "s")["upstream"] == "claude/ant"
    gate.open()


def test_an_edit_does_not_forget_the_requests_that_are_open(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    gateway.load(manifests(upstreams, "ant", ant={"maxConcurrentRequests": 1}))
    gate = Gate()
    upstreams["ant"].script(
        framing.stream_head(), framing.chunk(messages.events()[0]), gate, *map(framing.chunk, messages.events()[1:]),
        framing.LAST_CHUNK,
    )  # fmt: skip
    stream = gateway.begin(STREAMED)
    stream.head()
    gateway.load(manifests(upstreams, "ant", ant={"maxConcurrentRequests": 1, "timeouts": {"connect": "2s"}}))
    assert gateway.messages(BODY).status == 529
    gate.open()
    assert b"message_stop" in b"".join(stream.pieces())
    eventually(lambda: gateway.messages(BODY).status == 200, what="its place free")


def test_a_place_is_free_again_however_a_request_ends(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    gateway.load(manifests(upstreams, "ant", ant={"maxConcurrentRequests": 1}))
    ant = upstreams["ant"]
    for respond in (usual, failing(400), failing(500), failing(429), usual):
        ant.respond = respond
        answer = gateway.messages(BODY)
        assert answer.status != 529, answer
    target = "/v1/messages/count_tokens"
    assert fetch(gateway.port, "POST", target, headers=gateway.headers(), body=BODY).status == 200


# --- what is told ------------------------------------------------------------------------------------------------


def test_affinity_is_counted_by_the_upstream_that_a_session_belongs_to(
    gateway: Gateway, upstreams: dict[str, AnthropicUpstream]
) -> None:
    gateway.load(manifests(upstreams, *NAMES[:2]))
    own = ask(gateway, "s")["upstream"]

    def counted(result: str) -> float:
        return gateway.metric("claude_gateway_upstream_affinity_total", upstream=own, result=result)

    kept, moved = counted("kept"), counted("moved")
    upstreams[own.removeprefix("claude/")].respond = failing(500)
    line = ask(gateway, "s")
    assert (line["attempts"], line["why"], line["passed_over"]) == (2, "Failover", {own: "5xx"})
    assert (counted("kept"), counted("moved")) == (kept, moved + 1)


def test_one_upstream_alone_needs_no_words(gateway: Gateway, upstreams: dict[str, AnthropicUpstream]) -> None:
    gateway.load(manifests(upstreams, "ant"))
    assert not {"attempts", "why", "passed_over"} & ask(gateway, "s").keys()
    answer = gateway.messages(BODY, headers={"x-gateway-debug": "1"})
    assert answer.header("x-gateway-upstream") is None, "a developer key is no admin's"
