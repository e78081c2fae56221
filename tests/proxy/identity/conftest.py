"""The stand-in identity provider for the tests of this folder: one server for all, brought back before each."""

from collections.abc import Iterator
from functools import partial

import pytest
from tests.proxy.identity.clients import Developer, MakeDeveloper, Rerouted, outbound
from tests.standins.identity_provider import IdentityProvider


@pytest.fixture(scope="session")
def identity_provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as server:
        yield server


@pytest.fixture
def idp(identity_provider: IdentityProvider) -> IdentityProvider:
    identity_provider.begin_test()
    return identity_provider


@pytest.fixture
async def out(idp: IdentityProvider) -> "Iterator[Rerouted]":
    with outbound(idp) as client:
        yield client


@pytest.fixture
def developer(idp: IdentityProvider, out: Rerouted) -> MakeDeveloper:
    return partial(Developer, idp, out)
