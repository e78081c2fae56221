"""Cool-down and half-open upstreams as requests meet them, by a clock that the test moves."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.configurations import upstream

from gateway_config.callers import Caller
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.principal import Principal
from gateway_proxy.inference.attempts import Answer, Decision
from gateway_proxy.inference.calls import call_of
from gateway_proxy.inference.routing import Router
from gateway_proxy.inference.standing import Binding
from gateway_proxy.messages.body import scan
from gateway_proxy.messages.filters import Filters
from gateway_proxy.policy.effective import AllowedModel, Route
from gateway_proxy.providers.client import Call
from gateway_proxy.telemetry.metrics import Metrics
from gateway_proxy.upstream.errors import BadAnswerError, ConnectError, UpstreamError
from gateway_proxy.upstream.head import ResponseHead

MODEL = "claude-sonnet-5-5"
ALICE = Principal(caller=Caller(user="alice"))
OWN_LOGIN = Principal(caller=None, passthrough_authorization="Bearer own")


class Client:
    """An upstream that answers as it is told."""

    takes_logins = True

    def __init__(self, name: str) -> None:
        self.name = f"claude/{name}"
        self.filters = Filters([])
        self.asked = 0
        self.calls: list[Call] = []
        self.says: int | UpstreamError = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.held: asyncio.Event | None = None
        self.refusals = 0

    def credential_refused(self) -> None:
        self.refusals += 1

    def counts(self, model: str) -> bool:
        return True

    def fails_over(self, call: object, head: ResponseHead, body: bytes | None) -> bool:
        return head.status >= 500 or head.status in (401, 403, 404, 429)

    def translated(self, call: object, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
        return head, body

    def translated_count(self, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
        return head, body

    async def send(self, call: Call, model: str) -> Any:
        self.calls.append(call)
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        if isinstance(self.says, UpstreamError):
            raise self.says
        head = ResponseHead(self.says, self.headers, content_length=2, chunked=False, keep_alive=True)
        body = b'{"input_tokens":1}' if call.counts else b'{"type":"message"}'
        return SimpleNamespace(head=head, whole=lambda limit: body, abort=lambda: None)


class World:
    def __init__(self, *names: str, **members: Any) -> None:
        self.now = 1000.0
        self.router = Router(ping_seconds=15, clock=lambda: self.now)
        self.metrics = Metrics()
        self.clients = {name: Client(name) for name in names}
        self.bindings = {name: Binding(upstream(name).model_copy(update=members)) for name in names}
        routes = tuple(
            Route(client, MODEL, self.metrics.series(client.name, MODEL), self.bindings[name].standing(MODEL))  # type: ignore[arg-type]
            for name, client in self.clients.items()
        )
        self.allowed = AllowedModel(MODEL, routes, tuple((route,) for route in routes))

    def __getattr__(self, name: str) -> Client:
        return self.clients[name]

    async def ask(self, principal: Principal = ALICE, *, metered: bool = True) -> tuple[Answer, Decision]:
        request: Any = SimpleNamespace(
            headers=_Headers(), raw_headers=(), path="/v1/messages", query="", request_id="r"
        )
        decision = Decision()
        members = scan(b'{"model":"m","stream":false,"max_tokens":1}')
        call = call_of(
            request,
            members,
            principal=principal,
            model=MODEL,
            canonical=MODEL,
            counts=not metered,
            keeps_tags=True,
        )
        answer = await self.router.answer(self.allowed, request, call, decision=decision)
        answer.close()
        return answer, decision

    async def why(self, principal: Principal = ALICE, *, metered: bool = True) -> tuple[str, str]:
        """Which upstream answered, and why that one."""
        answer, decision = await self.ask(principal, metered=metered)
        return answer.route.client.name.removeprefix("claude/"), decision.why


class _Headers(dict[str, str]):
    def getall(self, name: str, default: Any) -> Any:
        return default


async def test_after_a_cool_down_one_request_tries_it_and_the_others_stay_away() -> None:
    world = World("a", "b")
    world.a.says = ConnectError("nobody listens")
    assert [await world.why() for _ in range(4)] == [("b", "Failover")] * 3 + [("b", "CoolingDown")]
    world.now += 30
    world.a.says, world.a.held = 200, asyncio.Event()
    probe = asyncio.create_task(world.why())
    while world.a.asked < 4:
        await asyncio.sleep(0)
    assert [await world.why() for _ in range(3)] == [("b", "CoolingDown")] * 3
    world.a.held.set()
    assert await probe == ("a", "Probe")
    assert await world.why() == ("a", "Preferred")
    assert world.a.asked == 5


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500])
async def test_an_upstream_that_refuses_its_credential_is_told_so(status: int) -> None:
    world = World("a", "b")
    world.a.says = status
    assert await world.why() == (("a", "Preferred") if status == 200 else ("b", "Failover"))
    assert (world.a.refusals, world.b.refusals) == (int(status in (401, 403)), 0)
    await world.why(OWN_LOGIN)
    assert world.a.refusals == int(status in (401, 403)), "a developer's own login is another credential"


async def test_a_trial_that_fails_costs_one_request_a_cool_down_one_attempt() -> None:
    world = World("a", "b")
    world.a.says = 500
    for _ in range(3):
        await world.ask()
    for _ in range(5):
        world.now += 30
        assert [await world.why() for _ in range(3)] == [("b", "Failover"), ("b", "CoolingDown"), ("b", "CoolingDown")]
    assert world.a.asked == 8


async def test_a_trial_whose_client_leaves_does_not_keep_the_place() -> None:
    world = World("a", "b")
    world.a.says, world.a.headers = 429, [(b"retry-after", b"7")]
    await world.ask()
    world.now += 7
    world.a.says, world.a.headers, world.a.held = 200, [], asyncio.Event()
    probe = asyncio.create_task(world.why())
    while world.a.asked < 2:
        await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    world.a.held = None
    assert await world.why() == ("a", "Probe")
    assert all(binding.occupancy.open == 0 for binding in world.bindings.values())


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"7", 7), (b"900", 900), (b"soon", 0), (b"-1", 0), (b"1 Jan 2020 00:00:00 +%d" % 10**20, 0)]
)
async def test_a_retry_after_says_how_long(value: bytes, seconds: int) -> None:
    world = World("a", "b")
    world.a.says, world.a.headers = 429, [(b"retry-after", value)]
    await world.ask()
    world.a.says, world.a.headers = 200, []
    if seconds:
        world.now += seconds - 0.1
        assert await world.why() == ("b", "CoolingDown")
        world.now += 0.1
        assert await world.why() == ("a", "Probe")
    else:
        assert await world.why() == ("a", "Preferred"), "what cannot be read is one failure like others"


async def test_all_cool_down_and_are_tried_in_their_order_until_one_answers() -> None:
    world = World("a", "b", "c")
    for client in world.clients.values():
        client.says, client.headers = 503, [(b"retry-after", b"60")]
    with pytest.raises(GatewayError) as caught:
        await world.ask()
    assert (caught.value.status, caught.value.headers["retry-after"]) == (529, "60")
    world.c.says = 200
    answer, decision = await world.ask()
    assert answer.route.client is world.c
    assert (decision.why, decision.attempts, decision.passed_over) == (
        "LastResort",
        3,
        {"claude/a": "5xx", "claude/b": "5xx"},
    )
    assert await world.why() == ("c", "CoolingDown"), "an answer has ended its cool-down"


async def _own_login(world: World) -> None:
    await world.ask(OWN_LOGIN)


async def _count_tokens(world: World) -> None:
    await world.ask(metered=False)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 501])
@pytest.mark.parametrize("ask", [_own_login, _count_tokens])
async def test_what_does_not_tell_of_the_upstream_is_not_held_against_it(
    ask: Callable[[World], Any], status: int
) -> None:
    world = World("a", "b")
    world.a.says, world.a.headers = status, [(b"retry-after", b"60")]
    for _ in range(5):
        await ask(world)
    world.a.says = 200
    assert await world.why() == ("a", "Preferred")


async def test_a_bad_answer_to_count_tokens_tells_of_that_path_alone() -> None:
    world = World("a", "b")
    world.a.says = BadAnswerError("an answer that is no number of tokens")
    for _ in range(5):
        assert await world.why(metered=False) == ("b", "Failover")
    world.a.says = 200
    assert await world.why() == ("a", "Preferred")


@pytest.mark.parametrize("ask", [_own_login, _count_tokens])
async def test_an_upstream_that_is_down_is_down_for_everyone(ask: Callable[[World], Any]) -> None:
    world = World("a", "b")
    world.a.says = 500
    for _ in range(3):
        await ask(world)
    assert await world.why() == ("b", "CoolingDown")


async def test_count_tokens_is_never_the_trial() -> None:
    world = World("a", "b")
    world.a.says, world.a.headers = 429, [(b"retry-after", b"7")]
    await world.ask()
    world.now += 7
    world.a.says = 200
    assert await world.why(metered=False) == ("b", "CoolingDown")
    assert await world.why() == ("a", "Probe")


async def test_the_request_s_own_fault_ends_a_cool_down_too() -> None:
    world = World("a", "b")
    world.a.says, world.a.headers = 429, [(b"retry-after", b"7")]
    await world.ask()
    world.now += 7
    world.a.says = 400
    assert [await world.why(), await world.why()] == [("a", "Probe"), ("a", "Preferred")]


async def test_one_that_was_full_is_looked_at_again_when_the_others_fail() -> None:
    world = World("a", "b", max_concurrent_requests=1)
    world.bindings["a"].occupancy.open = 1
    world.b.says, world.b.held = 500, asyncio.Event()
    asking = asyncio.create_task(world.why())
    while not world.b.asked:
        await asyncio.sleep(0)
    world.bindings["a"].occupancy.open = 0
    world.b.held.set()
    assert await asking == ("a", "LastResort")


@pytest.mark.parametrize("other", [401, 403, 404, 500, 501, 503])
async def test_where_one_is_full_and_the_other_fails_the_client_may_come_again(other: int) -> None:
    world = World("a", "b", max_concurrent_requests=1)
    world.bindings["a"].occupancy.open = 1
    world.b.says = other
    with pytest.raises(GatewayError) as caught:
        await world.ask()
    assert (caught.value.status, caught.value.reason) == (529, "UpstreamsFull")
    assert caught.value.headers["retry-after"] == "1"


async def test_a_rate_limit_says_more_than_that_another_is_full() -> None:
    world = World("a", "b", max_concurrent_requests=1)
    world.bindings["a"].occupancy.open = 1
    world.b.says = 429
    answer, _ = await world.ask()
    assert answer.head.status == 429


STEPS = st.lists(
    st.tuples(
        st.tuples(*[st.sampled_from([200, 200, 400, 401, 404, 429, 500, 503, ConnectError("no")])] * 3),
        st.sampled_from([0.0, 1.0, 29.0, 31.0, 4000.0]),
        st.sampled_from([None, b"1", b"45"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_whatever_happened_before_no_request_fails_that_another_upstream_could_serve(steps: list[Any]) -> None:
    async def run() -> None:
        world = World("a", "b", "c")
        for says, passed, retry_after, own, metered in steps:
            world.now += passed
            for client, one in zip(world.clients.values(), says, strict=True):
                client.says = one
                client.headers = [(b"retry-after", retry_after)] if retry_after else []
            try:
                answer, decision = await world.ask(OWN_LOGIN if own else ALICE, metered=metered)
                status, attempts = answer.head.status, decision.attempts
            except GatewayError as error:
                status, attempts = error.status, 3
            assert attempts <= 3, "each upstream at most once"
            if 200 in says or 400 in says:
                assert status in (200, 400)
            assert all(binding.occupancy.open == 0 for binding in world.bindings.values())

    asyncio.run(run())
