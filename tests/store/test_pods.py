"""Pods count each other by their heartbeats."""

import time

import pytest
from sqlalchemy import select

from gateway_proxy.store import pods
from gateway_proxy.store.store import Store


async def test_pods_count_those_that_live(store: Store, other_pod: Store) -> None:
    assert await store.pods.beat("a") == 1
    assert await other_pod.pods.beat("b") == 2
    assert await store.pods.beat("a") == 2


async def test_a_pod_that_leaves_counts_no_longer(store: Store) -> None:
    await store.pods.beat("a")
    await store.pods.beat("b")
    await store.pods.leave("b")
    assert await store.pods.beat("a") == 1


async def test_a_silent_pod_counts_no_longer_and_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.pods.beat("a")
    await store.pods.forget()
    assert await store.pods.beat("b") == 2
    monkeypatch.setattr(pods, "LIVE_SECONDS", -1.0)  # who was just heard counts as silent
    assert await store.pods.beat("b") == 0
    monkeypatch.setattr(pods, "FORGET_SECONDS", -1.0)
    await store.pods.forget()
    monkeypatch.undo()
    assert await store.pods.beat("b") == 1


async def test_the_databases_clock_is_that_of_the_world(store: Store) -> None:
    """SQLite's is computed from a Julian day: it must be right to the second."""
    (row,) = await store.pods._database.rows("test", select(store.pods._now.label("now")))
    assert abs(row.now - time.time()) < 5
