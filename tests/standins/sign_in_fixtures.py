"""Fixtures of sign-ins. One world serves a module; each test begins with the same manifests and a healthy provider."""

from collections.abc import Iterator

import pytest
from tests.standins.identity_provider import IdentityProvider
from tests.standins.sign_in import SignInWorld


@pytest.fixture(scope="module")
def shared_idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as idp:
        yield idp


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory, shared_idp: IdentityProvider) -> Iterator[SignInWorld]:
    with SignInWorld(tmp_path_factory.mktemp("world"), shared_idp, pods=2) as world:
        yield world


@pytest.fixture
def idp(shared_idp: IdentityProvider) -> Iterator[IdentityProvider]:
    """Whatever it finds wrong with a request fails the test."""
    shared_idp.begin_test()
    yield shared_idp
    assert shared_idp.problems == []


@pytest.fixture
def world(shared_world: SignInWorld, idp: IdentityProvider) -> Iterator[SignInWorld]:
    """Two pods of a gateway that Alice, in engineering, may use."""
    shared_world.begin_test()
    yield shared_world
    shared_world.end_test()
