"""Whether the API server has a kind: also of a CRD that comes later, and in its first second."""

from __future__ import annotations

import pytest
from tests.kube.clients import client_at, lamps, new_name
from tests.kube.fake_server import fake_server, refuses, says

from gateway_operator.kube import client as client_module
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import UnavailableError
from gateway_operator.kube.resources import HTTP_ROUTES, SECRETS


async def test_a_crd_that_comes_later_is_found(
    client: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, crd = lamps(f"{new_name('group')}.example.com")
    assert not await client.serves(kind)
    await client.create(crd)
    assert not await client.serves(kind)  # remembered
    monkeypatch.setattr(client_module, "_DISCOVERY_SECONDS", 0)
    while not await client.serves(kind):
        pass
    # its storage answers 429 for about a second
    assert await client.list(kind, namespace) == []


async def test_an_answer_is_remembered() -> None:
    body = {"kind": "APIResourceList", "resources": [{"name": "secrets", "kind": "Secret"}]}
    async with fake_server(says(body)) as fake, client_at(fake.url) as client:
        assert await client.serves(SECRETS)
        assert await client.serves(SECRETS)
    assert len(fake.seen) == 1


async def test_a_server_that_is_away_says_nothing_about_a_kind() -> None:
    failing = refuses(503, "ServiceUnavailable")
    async with fake_server(failing) as fake, client_at(fake.url, retry_seconds=0) as client:
        with pytest.raises(UnavailableError):
            await client.serves(HTTP_ROUTES)
