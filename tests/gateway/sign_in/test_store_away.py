"""The store is away: who is signed in works on, everything else waits, and nobody is told to sign in again."""

from collections.abc import Iterator

import pytest
from tests.standins.gateway import eventually
from tests.standins.identity_provider import IdentityProvider
from tests.standins.manifests import secret
from tests.standins.postgres import PostgresServer
from tests.standins.raw_client import Response
from tests.standins.sign_in import SignInWorld, tokens_of
from tests.standins.web_person import WebPerson


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def world(
    tmp_path_factory: pytest.TempPathFactory, idp: IdentityProvider, postgres: PostgresServer
) -> Iterator[SignInWorld]:
    """Two pods on Postgres."""
    url = postgres.url(postgres.database(), parameters="?sslmode=require")
    world = SignInWorld(tmp_path_factory.mktemp("postgres-world"), idp, pods=2)
    world.more = (secret("gateway-db", url),)
    world.spec = {"store": {"type": "Postgres", "postgres": {"urlSecretRef": {"name": "gateway-db", "key": "value"}}}}
    with world:
        yield world
    world.end_test()


def waits(answer: Response) -> None:
    assert answer.status == 503, answer
    assert int(answer.header("retry-after") or 0) > 0


@pytest.mark.timeout(180)
def test_while_the_store_is_away_and_when_it_is_back(world: SignInWorld, postgres: PostgresServer) -> None:
    eventually(lambda: world.post("/oauth/device_authorization", {}).status == 200, what="the store made ready")
    tokens = world.sign_in()
    gone = world.sign_in()
    assert world.post("/oauth/revoke", {"token": gone.access}).status == 200
    device = world.begin()
    page = WebPerson().open(f"{world.url}/device")
    postgres.stop()
    try:
        for pod in (0, 1):
            assert world.models(tokens.access, pod=pod).status == 200
            assert world.pods[pod].answers("/readyz")
        assert world.models(gone.access).status == 401, "what was known stays known"
        waits(world.refresh(tokens.refresh))
        waits(world.poll(device))
        waits(world.post("/oauth/revoke", {"token": tokens.access}))
        waits(world.sessions())
        begun = world.post("/oauth/device_authorization", {})
        waits(begun)
        assert begun.json()["error"] == "temporarily_unavailable"
        shown = page.submit("Continue", user_code=device.user_code)
        assert shown.status == 503
        assert "Try again" in shown.text
        eventually(
            lambda: world.gateway.metric("claude_gateway_revocation_feed_failing") == 1, what="a metric that tells"
        )
    finally:
        postgres.start()
    eventually(lambda: world.sessions().status == 200, what="the store found again")
    renewed = tokens_of(world.refresh(tokens.refresh, pod=1))
    assert world.models(renewed.access).status == 200
    assert world.approve(device).status == 200
    tokens_of(world.poll(device))
    assert postgres.password not in world.gateway.log_text() + world.gateway.audit_text()


@pytest.mark.timeout(120)
def test_a_pod_that_starts_while_the_store_is_away_serves_who_is_signed_in(
    world: SignInWorld, postgres: PostgresServer
) -> None:
    lives, ended = world.sign_in(), world.sign_in()
    assert world.post("/oauth/revoke", {"token": ended.access}).status == 200
    pod = world.pods[1]
    pod.stop()
    postgres.stop()
    try:
        pod.start("--listen", f"127.0.0.1:{world.ports[1]}", "--state-dir", str(world.folder / "state"))
        assert world.models(lives.access, pod=1).status == 200
        assert world.models(world.gateway.key("robot@corp.example"), pod=1).status == 200
    finally:
        postgres.start()
    eventually(lambda: world.models(ended.access, pod=1).status == 401, what="the ended session refused", deadline=30)
    assert world.models(lives.access, pod=1).status == 200
