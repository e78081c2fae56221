"""Fixtures of tests of providers."""

from collections.abc import Iterator

import pytest
from tests.providers.amazon import PROFILE
from tests.standins.bedrock import BedrockStandIn


@pytest.fixture(scope="module")
def shared_bedrock() -> Iterator[BedrockStandIn]:
    with BedrockStandIn(models=[PROFILE]) as server:
        yield server


@pytest.fixture
def bedrock(shared_bedrock: BedrockStandIn) -> Iterator[BedrockStandIn]:
    shared_bedrock.begin_test()
    yield shared_bedrock
    assert shared_bedrock.problems == []
