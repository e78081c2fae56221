"""What a reload takes over from the configuration before, and what it does not."""

from typing import Any

import pytest
from tests.proxy.configurations import ALICE_KEY, UPSTREAM_KEY, configuration, files, upstream

from gateway_config import bundle
from gateway_config.contract import Egress
from gateway_config.upstream_credentials import values_of
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.providers import Pools
from gateway_proxy.telemetry.metrics import Metrics

OTHER_KEY = "sk-ant-api03-rotated"


class Loader:
    """Loads one configuration after another, as the watcher does."""

    def __init__(self) -> None:
        self.pools = Pools()
        self.metrics = Metrics()
        self.current: LiveConfiguration | None = None

    def load(self, *, credential: str = UPSTREAM_KEY, **members: Any) -> LiveConfiguration:
        compiled = configuration(**members)
        index = bundle.Index.model_validate_json(files(compiled)[bundle.INDEX_FILE])
        credentials = {value.name: credential for one in compiled.upstreams for value in values_of(one.credential)}
        loaded = bundle.Bundle(index=index, configuration=compiled, credentials=credentials)
        self.current = LiveConfiguration(loaded, pools=self.pools, series=self.metrics.series, previous=self.current)
        return self.current


async def test_an_unchanged_upstream_keeps_its_client() -> None:
    loader = Loader()
    before = loader.load(upstreams=(upstream("one"), upstream("two")))
    after = loader.load(upstreams=(upstream("one"), upstream("two", base_url="http://127.0.0.1:10")))
    assert after.upstreams[0] is before.upstreams[0]
    assert after.upstreams[1] is not before.upstreams[1]


@pytest.mark.parametrize(
    "change",
    [
        {"upstreams": (upstream(models={"claude-opus-5-5": "other"}),)},
        {"upstreams": (upstream(credential=OTHER_KEY),), "credential": OTHER_KEY},
        {"egress": Egress(allow_loopback=True, no_proxy=("other",))},
    ],
)
async def test_a_changed_one_is_made_anew_over_the_same_connections(change: dict[str, Any]) -> None:
    loader = Loader()
    before = loader.load().upstreams[0]
    after = loader.load(**change).upstreams[0]
    assert after is not before
    assert after.pool is before.pool


async def test_the_gateways_own_requests_go_on_over_the_same_connections_while_the_egress_is_the_same() -> None:
    loader = Loader()
    before = loader.load()
    same = loader.load(upstreams=(upstream("other"),))
    assert same.outbound is before.outbound
    other = loader.load(egress=Egress(allow_loopback=False))
    assert other.outbound is not before.outbound
    assert not other.outbound.egress.allow_loopback


async def test_another_sequence_number_changes_nothing_else() -> None:
    loader = Loader()
    before = loader.load()
    alice = await before.authenticate(None, ALICE_KEY)
    policy = before.policy_of(alice)
    after = before.renumbered(7)
    assert (before.sequence, after.sequence, after.revision) == (1, 7, before.revision)
    assert after.policy_of(await after.authenticate(None, ALICE_KEY)) is policy


async def test_a_certificate_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"claude/anthropic.*certificate"):
        Loader().load(upstreams=(upstream(base_url="https://api.example"),), egress=Egress(ca_pem="no PEM"))
