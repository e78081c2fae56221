"""Fixtures of the cases: one gateway of a module that people sign in to, both kinds of client, upstreams by type."""

from collections.abc import Iterator

import pytest
from tests.gateway.cases.clients import KINDS, SIGNED_IN, Client
from tests.gateway.cases.gateways import CaseGateway
from tests.standins.identity_provider import IdentityProvider
from tests.standins.providers import PROVIDERS, Provider

DEFAULT = "Anthropic"


@pytest.fixture(scope="module")
def shared_idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as idp:
        yield idp


@pytest.fixture(scope="module")
def shared_gateway_of_cases(
    tmp_path_factory: pytest.TempPathFactory, shared_idp: IdentityProvider
) -> Iterator[CaseGateway]:
    with CaseGateway(tmp_path_factory.mktemp("cases"), shared_idp) as gateway:
        yield gateway


@pytest.fixture
def stage(shared_gateway_of_cases: CaseGateway, shared_idp: IdentityProvider) -> Iterator[CaseGateway]:
    """The gateway, without an upstream until one is loaded."""
    shared_idp.begin_test()
    shared_gateway_of_cases.begin_test()
    yield shared_gateway_of_cases
    shared_gateway_of_cases.end_test()
    assert shared_idp.problems == []


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, stage: CaseGateway) -> Client:
    """Of either kind."""
    return stage.signed_in() if request.param == SIGNED_IN else stage.pointed_at()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Provider]]:
    """Those that a module's tests have asked for so far."""
    started: dict[str, Provider] = {}
    yield started
    for one in started.values():
        one.__exit__(None, None, None)


@pytest.fixture
def provider(request: pytest.FixtureRequest, stage: CaseGateway, servers: dict[str, Provider]) -> Iterator[Provider]:
    """The upstream behind the gateway; of the type that `@through` says. What it finds wrong fails the test."""
    wanted = getattr(request, "param", DEFAULT)
    if wanted not in servers:
        servers[wanted] = PROVIDERS[wanted]().__enter__()
    found = servers[wanted]
    found.begin_test()
    stage.use(found)
    yield found
    assert found.problems == []
