"""A watch of a server that talks nonsense: no answer of it removes or invents an object."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.kube.clients import client_at, eventually
from tests.kube.fake_server import (
    Answer,
    config_map,
    config_maps,
    event,
    fake_server,
    refusal_body,
    refuses,
    says,
    says_page,
    streams,
)
from tests.kube.recording import watching

from gateway_operator.kube.resources import CONFIG_MAPS

FIRST = says(config_maps(5, [config_map("a", 1), config_map("b", 2)]))


async def _forever() -> None:
    await asyncio.Event().wait()


QUIET = streams(end=_forever)
EXPIRED = event("ERROR", refusal_body(410, "Expired"))


@pytest.mark.parametrize("told", [streams(EXPIRED), refuses(410, "Expired")], ids=["event", "status"])
@pytest.mark.parametrize(
    "bad",
    [
        refuses(429, "TooManyRequests"),
        refuses(500, "InternalError"),
        refuses(403, "Forbidden"),
        refuses(404, "NotFound"),
        says({}),
        says({**config_maps(9, []), "kind": "SecretList"}),
        says(b'{"kind": "ConfigMapList", "items": ['),
        says_page("<html>ok</html>"),
        says({**config_maps(9, [{"metadata": {"name": "a"}}])}),
    ],
    ids=["429", "500", "403", "404", "empty", "other-kind", "half-json", "page", "no-uid"],
)
async def test_a_list_that_fails_changes_nothing(told: Answer, bad: Answer) -> None:
    good = says(config_maps(9, [config_map("b", 2), config_map("c", 8)]))
    async with (
        fake_server(FIRST, told, bad, bad, good, QUIET) as fake,
        client_at(fake.url, retry_seconds=0) as client,
        watching(client, CONFIG_MAPS) as (watch, seen),
    ):
        await eventually(lambda: len(fake.seen) >= 4, what="the list failed")
        assert seen.told == ["ADDED a", "ADDED b"]
        assert len(watch) == 2
        await eventually(lambda: len(seen.told) == 4, what="the next list is told")
        assert seen.told[2:] == ["DELETED a", "ADDED c"]


@pytest.mark.parametrize(
    "bad",
    [
        refuses(429, "TooManyRequests"),
        refuses(503, "ServiceUnavailable"),
        streams(event("ERROR", refusal_body(500, "InternalError"))),
        streams(event("ERROR", refusal_body(429, "TooManyRequests"))),
        streams(tail=b'{"type": "DELETED", "object": {"metadata": {"uid": "uid-a"'),
        streams(tail=b"nonsense\n"),
        streams({"type": "DELETED"}),
        streams([]),
        streams(event("DELETED", {"kind": "Status", "status": "Failure"})),
        streams(event("VANISHED", config_map("a", 1))),
        says_page("<html>ok</html>"),
        streams(),
    ],
    ids=[
        "429",
        "503",
        "error-500",
        "error-429",
        "half",
        "nonsense",
        "no-object",
        "list",
        "status",
        "unknown-type",
        "page",
        "nothing",
    ],
)
async def test_a_bad_stream_changes_nothing_and_the_next_one_goes_on(bad: Answer) -> None:
    good = streams(event("MODIFIED", config_map("a", 7)), end=_forever)
    async with (
        fake_server(FIRST, bad, bad, good) as fake,
        client_at(fake.url, retry_seconds=0) as client,
        watching(client, CONFIG_MAPS) as (_, seen),
    ):
        await eventually(lambda: len(seen.told) > 2, what="the next stream is told")
        assert seen.told == ["ADDED a", "ADDED b", "MODIFIED a"]
        assert [request.query.get("resourceVersion") for request in fake.seen] == [None, "5", "5", "5"]


async def test_bookmarks_move_the_place_where_a_watch_goes_on() -> None:
    bookmark = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "41"}}
    async with (
        fake_server(FIRST, streams(event("BOOKMARK", bookmark)), QUIET) as fake,
        client_at(fake.url) as client,
        watching(client, CONFIG_MAPS) as (_, seen),
    ):
        await eventually(lambda: len(fake.seen) == 3, what="the watch goes on")
        assert fake.seen[-1].query["resourceVersion"] == "41"
        assert fake.seen[-1].query["allowWatchBookmarks"] == "true"
        assert int(fake.seen[-1].query["timeoutSeconds"]) >= 300
        assert seen.told == ["ADDED a", "ADDED b"]


async def test_what_is_told_twice_by_the_server_is_told_once() -> None:
    twice = streams(
        event("ADDED", config_map("a", 1)),
        event("MODIFIED", config_map("a", 6)),
        event("MODIFIED", config_map("a", 6)),
        event("DELETED", config_map("a", 7)),
        event("DELETED", config_map("a", 7)),
        event("ADDED", config_map("a", 8, uid="another")),
        end=_forever,
    )
    async with (
        fake_server(FIRST, twice) as fake,
        client_at(fake.url) as client,
        watching(client, CONFIG_MAPS) as (_, seen),
    ):
        await eventually(lambda: seen.told[-1] == "ADDED a" and len(seen.told) > 2, what="the last one is told")
        assert seen.told == ["ADDED a", "ADDED b", "MODIFIED a", "DELETED a", "ADDED a"]


async def test_a_watch_that_never_gets_anywhere_lists_anew() -> None:
    """A version that the server has not reached, such as after a restored backup."""
    too_large = streams(event("ERROR", refusal_body(504, "Timeout")))
    async with (
        fake_server(FIRST, *[too_large] * 5, says(config_maps(3, [config_map("b", 2)])), QUIET) as fake,
        client_at(fake.url, retry_seconds=0) as client,
        watching(client, CONFIG_MAPS) as (_, seen),
    ):
        await eventually(lambda: len(seen.told) == 3, what="the second list is told")
        assert seen.told[2:] == ["DELETED a"]
        assert fake.seen[6].query.get("watch") is None


async def test_a_list_that_the_consumer_cannot_take_is_made_again() -> None:
    from gateway_operator.kube.watching import Watch

    taken: list[int] = []

    def on_listed(items: list[dict[str, Any]]) -> None:
        taken.append(len(items))
        if len(taken) == 1:
            raise RuntimeError("a consumer's mistake")

    async with fake_server(FIRST, FIRST, QUIET) as fake, client_at(fake.url) as client:
        watch = Watch(client, CONFIG_MAPS, on_event=lambda *_: None, on_listed=on_listed)
        task = asyncio.create_task(watch.run())
        await eventually(watch.synced.is_set, what="the second list is taken")
        assert taken == [2, 2]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
