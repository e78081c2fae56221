"""Fixtures of the tests that run against a real proxy process.

Starting a process costs half a second, so the tests of a module share one; each test begins with the same manifests.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway
from tests.standins.manifests import smallest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Installs Postgres before the first test, if any has imported it: a download takes longer than a test may."""
    postgres = sys.modules.get("tests.standins.postgres")
    if postgres is not None and session.items and not session.config.option.collectonly:
        with contextlib.suppress(subprocess.CalledProcessError):  # the first test that needs it fails with the reason
            postgres.programs()


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("gateway") / "shared")
    yield gateway
    gateway.stop()


@pytest.fixture
def upstream(shared_upstream: AnthropicUpstream) -> Iterator[AnthropicUpstream]:
    """The Anthropic API; whatever it finds wrong with a request fails the test."""
    shared_upstream.begin_test()
    yield shared_upstream
    assert shared_upstream.problems == []


@pytest.fixture
def gateway(shared_gateway: Gateway, upstream: AnthropicUpstream) -> Iterator[Gateway]:
    """A running gateway in front of the upstream: every model is open to Alice."""
    shared_gateway.begin_test(smallest(upstream.url))
    yield shared_gateway
    shared_gateway.end_test()


@pytest.fixture
def own_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that the test configures, starts and may end."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway") / "own")
    yield gateway
    gateway.stop()
    gateway.end_test()
