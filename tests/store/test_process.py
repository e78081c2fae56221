"""A whole proxy with a store: it serves whatever the store does, and says how the store is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.configurations import UPSTREAM_KEY, configuration, sha256
from tests.standins.gateway import Gateway, eventually
from tests.standins.postgres import PostgresServer

from gateway_config import bundle, contract
from gateway_config.parts import Value

EMBEDDED = contract.Store(type="Embedded")
Make = Callable[[], Gateway]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Gateway] = []

    def one() -> Gateway:
        made.append(Gateway(tmp_path / f"gateway-{len(made)}"))
        return made[-1]

    yield one
    for gateway in made:
        gateway.stop()
        gateway.end_test()


def mount(gateway: Gateway, *, sequence: int = 1, url: str | None = None, **members: Any) -> None:
    if url is not None:
        members["store"] = contract.Store(type="Postgres", url=Value(name="store", sha256=sha256(url)))
    credentials = {"anthropic": UPSTREAM_KEY} | ({"store": url} if url is not None else {})
    gateway.mount_files(bundle.pack(configuration(**members), credentials=credentials, sequence=sequence))


def test_an_embedded_store_is_made_in_the_state_directory(make: Make, tmp_path: Path) -> None:
    gateway = make()
    mount(gateway, store=EMBEDDED)
    gateway.start("--state-dir", str(tmp_path / "state"))
    eventually(lambda: gateway.metric("claude_gateway_store_available") == 1, what="the store available")
    of_store = [line["event"] for line in gateway.logs() if line["event"].startswith("store.")]
    assert of_store == ["store.migrated", "store.available"]
    assert (tmp_path / "state" / "store.sqlite3").stat().st_mode & 0o777 == 0o600
    gateway.signal("SIGINT")
    assert gateway.wait_for_exit() == 0


def test_without_a_state_directory_the_configuration_is_refused_with_the_way_out(make: Make) -> None:
    gateway = make()
    mount(gateway, store=EMBEDDED)
    gateway.start(ready=False)
    error = eventually(lambda: gateway.status()["last_error"], what="the configuration refused")
    assert error["reason"] == "ConfigUnusable"
    assert "--state-dir" in error["message"]


def test_a_store_that_cannot_be_leaves_the_last_good_configuration_in_force(make: Make) -> None:
    gateway = make()
    mount(gateway)
    gateway.start()
    mount(gateway, sequence=2, url="mysql://gateway:pw-canary-91@db/claude")
    error = eventually(lambda: gateway.status()["last_error"], what="the configuration refused")
    assert error["reason"] == "ConfigUnusable"
    assert "pw-canary-91" not in str(error) + gateway.log_text() + gateway.audit_text()
    assert gateway.status()["sequence"] == 1
    assert gateway.answers("/readyz")


def test_a_store_that_is_away_does_not_stop_a_gateway(make: Make) -> None:
    gateway = make()
    mount(gateway, url="postgresql://gateway:pw-canary-92@127.0.0.1:9/claude")
    gateway.start()
    assert gateway.answers("/readyz")
    eventually(lambda: '"store.unavailable"' in gateway.log_text(), what="the store's absence told")
    assert gateway.metric("claude_gateway_store_available") == 0
    assert gateway.metric("claude_gateway_live_pods") == 1
    assert "pw-canary-92" not in gateway.log_text() + gateway.metrics_text()
    gateway.signal("SIGINT")
    assert gateway.wait_for_exit() == 0


def test_a_store_that_falls_silent_does_not_hold_up_the_end(make: Make, own_postgres: PostgresServer) -> None:
    gateway = make()
    mount(gateway, url=own_postgres.url(own_postgres.database()))
    gateway.start()
    eventually(lambda: gateway.metric("claude_gateway_store_available") == 1, what="the store available")
    own_postgres.pause()
    try:
        gateway.signal("SIGINT")
        assert gateway.wait_for_exit(deadline=10) == 0
    finally:
        own_postgres.resume()


def test_pods_share_a_store_and_leave_it(make: Make, postgres: PostgresServer) -> None:
    url = postgres.url(postgres.database())
    gateways = make(), make()
    for gateway in gateways:
        mount(gateway, url=url)
        gateway.start("--drain-accept", "0")
    eventually(lambda: all(one.metric("claude_gateway_live_pods") == 2 for one in gateways), what="two pods")
    gateways[0].signal("SIGTERM")
    assert gateways[0].wait_for_exit() == 0
    eventually(lambda: gateways[1].metric("claude_gateway_live_pods") == 1, what="one pod")


def test_the_store_is_gone_from_the_metrics_when_the_configuration_has_none(make: Make, tmp_path: Path) -> None:
    gateway = make()
    mount(gateway, store=EMBEDDED)
    gateway.start("--state-dir", str(tmp_path / "state"))
    eventually(lambda: gateway.metric("claude_gateway_store_available") == 1, what="the store available")
    mount(gateway, sequence=2)
    gateway.wait_for_sequence(2)
    assert "claude_gateway_store" not in gateway.metrics_text()
