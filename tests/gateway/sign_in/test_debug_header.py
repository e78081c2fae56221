"""Who may ask which upstream answered: members of an admin group who signed in, and nobody else."""

from collections.abc import Iterator

import pytest
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.manifests import binding
from tests.standins.raw_client import Response, fetch
from tests.standins.sign_in import SignInWorld

HEADER = "x-gateway-upstream"
BODIES = [b'{"model":"claude-sonnet-5-5"}', b'{"model":"claude-sonnet-5-5","stream":true}']


@pytest.fixture
def upstreams() -> Iterator[tuple[AnthropicUpstream, AnthropicUpstream]]:
    with AnthropicUpstream() as first, AnthropicUpstream() as second:
        yield first, second
        assert first.problems == second.problems == []


def load(world: SignInWorld, upstreams: tuple[AnthropicUpstream, AnthropicUpstream], *admin_groups: str) -> None:
    first, second = upstreams
    several = (binding("first", first.url, priority=20), binding("second", second.url, priority=10))
    spend = {"adminGroups": list(admin_groups)} if admin_groups else {}
    world.load(*several, egress={"allowLoopback": True}, spend=spend)


def ask(world: SignInWorld, credential: str, *, body: bytes = BODIES[0], debug: str | None = "1") -> Response:
    headers = [("authorization", f"Bearer {credential}"), ("content-type", "application/json")]
    headers.append(("anthropic-version", "2023-06-01"))
    if debug is not None:
        headers.append(("x-gateway-debug", debug))
    answer = fetch(world.ports[0], "POST", "/v1/messages?beta=true", headers=headers, body=body)
    assert answer.status == 200, answer
    return answer


@pytest.mark.parametrize("body", BODIES, ids=["json", "stream"])
def test_an_admin_who_signed_in_is_told(
    world: SignInWorld, upstreams: tuple[AnthropicUpstream, AnthropicUpstream], body: bytes
) -> None:
    load(world, upstreams, "engineering")
    access = world.sign_in().access
    assert ask(world, access, body=body).header(HEADER) == "claude/first; attempts=1; why=Preferred"
    upstreams[0].script(framing.error_answer(500, "api_error", "down"))
    assert ask(world, access, body=body).header(HEADER) == "claude/second; attempts=2; why=Failover"
    assert upstreams[1].last.header("x-gateway-debug") is None, "it is between the admin and the gateway"


def test_nobody_else_is_told(world: SignInWorld, upstreams: tuple[AnthropicUpstream, AnthropicUpstream]) -> None:
    load(world, upstreams, "engineering")
    access, key = world.sign_in().access, world.gateway.key("robot@corp.example")
    assert ask(world, key).header(HEADER) is None, "a key's groups are made up"
    assert ask(world, access, debug=None).header(HEADER) is None, "who does not ask"
    assert ask(world, access, debug="0").header(HEADER) is None
    load(world, upstreams, "finance")
    assert ask(world, access).header(HEADER) is None, "a member of other groups"
    load(world, upstreams)
    assert ask(world, access).header(HEADER) is None, "where there are no admins"
