"""Following the bundle directory: every way in which files may come, change and go."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.proxy import kubelet
from tests.proxy.configurations import LOOPBACK, configuration, developer_key, files, policy, upstream

from gateway_config import bundle
from gateway_config.contract import Egress
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.config.watch import ConfigWatcher
from gateway_proxy.providers import Pools
from gateway_proxy.services import Services
from gateway_proxy.store.stores import Stores
from gateway_proxy.telemetry.audit import AuditLog
from gateway_proxy.upstream.pool import Pool

DEADLINE = 15.0
FIRST = files(configuration(), sequence=1)
SECOND = files(configuration(policies=(policy("more", user="bob@corp.example"),)), sequence=2)


class Watched:
    """A watcher in this event loop, and the directory that it follows."""

    def __init__(self, directory: Path, services: Services) -> None:
        self.directory = directory
        self.services = services
        self.first_loads = 0
        self.pools = Pools()
        self.watcher = ConfigWatcher(
            directory,
            services=services,
            pools=self.pools,
            stores=Stores(services, state_directory=None, metrics=services.metrics.store),
            on_first_load=self._first,
        )

    def _first(self) -> None:
        self.first_loads += 1

    @property
    def current(self) -> LiveConfiguration:
        current = self.services.holder.current
        assert current is not None
        return current

    @property
    def reason(self) -> str | None:
        error = self.services.holder.last_error
        return error.reason if error is not None else None

    def sequence(self) -> int | None:
        current = self.services.holder.current
        return current.sequence if current is not None else None

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.01)

    async def loaded(self, sequence: int) -> None:
        await self.until(lambda: self.sequence() == sequence)

    async def looked_twice(self) -> None:
        """Until the directory has certainly been looked at since now."""
        for _ in range(2):
            self.watcher._next_recheck = 0.0
            await self.until(lambda: self.watcher._next_recheck != 0.0)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    with (tmp_path / "audit").open("wb") as sink:
        audit = AuditLog(sink.fileno())
        made = Watched(tmp_path / "config", Services(audit=audit))
        yield made
        made.watcher.stop()
        made.watcher._thread.join(DEADLINE)
        audit.close()


def write(directory: Path, content: dict[str, bytes]) -> None:
    directory.mkdir(exist_ok=True)
    for name, data in content.items():
        (directory / name).write_bytes(data)


async def test_a_projected_volume_is_followed(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    for sequence in range(2, 7):
        kubelet.project(watched.directory, files(configuration(), sequence=sequence))
        await watched.loaded(sequence)
    kubelet.project(watched.directory, files(configuration(base=None), sequence=7))
    await watched.loaded(7)
    assert watched.services.metrics.config.loads == 7
    assert watched.first_loads == 1


async def test_files_written_in_place_are_followed(watched: Watched) -> None:
    write(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    write(watched.directory, SECOND)
    await watched.loaded(2)
    assert watched.reason is None


async def test_the_directory_may_come_later(watched: Watched) -> None:
    watched.watcher.start()
    await watched.until(lambda: watched.reason == "ConfigMissing")
    assert watched.sequence() is None
    assert not watched.services.ready
    kubelet.project(watched.directory, FIRST)
    await watched.loaded(1)
    assert watched.reason is None
    assert watched.services.ready


async def test_the_directory_may_be_replaced(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    shutil.rmtree(watched.directory)
    kubelet.project(watched.directory, SECOND)
    await watched.loaded(2)


async def test_a_directory_that_goes_leaves_the_last_good_one(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    shutil.rmtree(watched.directory)
    await watched.until(lambda: watched.reason == "ConfigMissing")
    assert watched.sequence() == 1
    assert watched.services.ready


async def test_the_same_index_again_is_not_loaded(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    live = watched.current
    for _ in range(3):
        kubelet.project(watched.directory, FIRST)
        await watched.looked_twice()
    assert watched.current is live
    assert watched.services.metrics.config.loads == 1


async def test_parts_that_come_late_are_waited_for_in_silence(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    kubelet.project(watched.directory, {**FIRST, bundle.INDEX_FILE: SECOND[bundle.INDEX_FILE]})
    await watched.until(lambda: watched.watcher._failure is not None)
    assert watched.reason is None
    kubelet.project(watched.directory, SECOND)
    await watched.loaded(2)
    assert watched.services.metrics.config.failures == {}


async def test_parts_that_never_come_are_told(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    kubelet.project(watched.directory, {**FIRST, bundle.INDEX_FILE: SECOND[bundle.INDEX_FILE]})
    await watched.until(lambda: watched.reason == "ConfigIncomplete")
    assert watched.services.metrics.config.failures == {"ConfigIncomplete": 1}
    kubelet.project(watched.directory, FIRST)
    await watched.until(lambda: watched.reason is None)
    assert watched.sequence() == 1


UNKNOWN = SECOND | {bundle.INDEX_FILE: SECOND[bundle.INDEX_FILE].replace(b'"contract":1', b'"contract":2')}
BAD_ADDRESS = files(configuration(upstreams=(upstream(base_url="ftp://api.example"),)), sequence=9)
BAD_TRUST = files(
    configuration(upstreams=(upstream(base_url="https://api.example"),), egress=Egress(ca_pem="none")), sequence=9
)
BAD_CREDENTIAL = files(configuration(upstreams=(upstream(credential="a\nb"),)), sequence=9, credential="a\nb")
BAD_JSON = FIRST | {bundle.INDEX_FILE: b"{"}


@pytest.mark.parametrize(
    ("bad", "reason", "says"),
    [
        (UNKNOWN, "ContractUnknown", "contract 2"),
        (BAD_JSON, "ConfigCorrupt", "index.json"),
        (BAD_ADDRESS, "ConfigUnusable", "claude/anthropic"),
        (BAD_TRUST, "ConfigUnusable", "claude/anthropic"),
        (BAD_CREDENTIAL, "ConfigUnusable", "claude/anthropic"),
    ],
)
async def test_a_bad_bundle_is_told_once_and_kept_out(
    watched: Watched, bad: dict[str, bytes], reason: str, says: str
) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    kubelet.project(watched.directory, bad)
    await watched.until(lambda: watched.reason == reason)
    error = watched.services.holder.last_error
    assert error is not None
    assert says in error.message
    await watched.looked_twice()
    assert watched.services.metrics.config.failures == {reason: 1}
    assert watched.services.metrics.config.failing == reason
    assert watched.sequence() == 1
    kubelet.project(watched.directory, SECOND)
    await watched.loaded(2)
    assert watched.reason is None
    assert watched.services.metrics.config.failing is None


async def test_a_file_that_may_not_be_read(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    index = watched.directory / bundle.INDEX_FILE
    index.unlink()
    index.mkdir()
    await watched.until(lambda: watched.reason == "ConfigIncomplete")
    index.rmdir()
    write(watched.directory, SECOND)
    await watched.loaded(2)


async def test_series_of_what_is_gone_are_forgotten(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    metrics = watched.services.metrics
    metrics.series("claude/anthropic", "claude-opus-5-5").finished(200, 0.1, 0.1, None)
    kubelet.project(watched.directory, files(configuration(upstreams=(upstream("other"),)), sequence=2))
    await watched.loaded(2)
    assert metrics.registry.get_sample_value(
        "claude_gateway_requests_total",
        {"upstream": "claude/anthropic", "model": "claude-opus-5-5", "status": "200"},
    ) is None  # fmt: skip


async def test_pools_are_kept_when_two_builds_end_before_the_first_swap(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop is late: the second build has taken up what the first one does not use."""
    closed: list[Pool] = []
    monkeypatch.setattr(Pool, "close", lambda pool: closed.append(pool))
    kubelet.project(watched.directory, files(configuration(upstreams=(upstream(base_url="http://a.example"),))))
    watched.watcher.start()
    await watched.loaded(1)
    warm = watched.current.upstreams[0].pool
    elsewhere = configuration(upstreams=(upstream(base_url="http://b.example", credential="another"),))
    back = configuration(upstreams=(upstream(base_url="http://a.example", credential="another"),))
    for sequence, compiled in ((2, elsewhere), (3, back)):
        kubelet.project(watched.directory, files(compiled, sequence=sequence, credential="another"))
        while watched.watcher._live is None or watched.watcher._live.sequence != sequence:
            time.sleep(0.01)
    await watched.loaded(3)
    assert watched.current.upstreams[0].pool is warm
    assert warm not in closed
    assert watched.pools.pool("http://a.example", LOOPBACK) is warm
    assert [pool.route.origin.host for pool in closed] == ["b.example"]


async def test_a_thousand_policies_do_not_hold_up_the_event_loop(watched: Watched) -> None:
    kubelet.project(watched.directory, FIRST)
    watched.watcher.start()
    await watched.loaded(1)
    policies = tuple(policy(f"p{number}", user=f"user{number}@corp.example") for number in range(1000))
    keys = tuple(developer_key(f"key-{number}", user=f"user{number}@corp.example") for number in range(1000))
    many = files(configuration(policies=policies, developer_keys=keys), sequence=2)
    kubelet.project(watched.directory, many)
    turns = 0
    while watched.sequence() != 2:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20
