"""What becomes of a report by what a collector answers over HTTP."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, cast

import pytest

from gateway_config.contract import Destination
from gateway_proxy.outbound.client import Answer, Outbound, OutboundError
from gateway_proxy.telemetry.relay.batch import PROTOBUF, Batch, LaterError, RefusedError
from gateway_proxy.telemetry.relay.http_sender import HttpSender


class Requests:
    """Answers one request, and keeps what it was."""

    def __init__(self, answer: Answer | OutboundError) -> None:
        self._answer = answer
        self.asked: dict[str, Any] = {}

    async def request(self, method: str, url: str, **options: Any) -> Answer:
        self.asked = {"method": method, "url": url, **options}
        if isinstance(self._answer, OutboundError):
            raise self._answer
        return self._answer


async def sent(answer: Answer | OutboundError, **fields: Any) -> Requests:
    requests = Requests(answer)
    destination = Destination(name="grafana", endpoint="https://otlp.example:4318/otlp", **fields)
    sender = HttpSender(destination, {"authorization": "Bearer x"}, cast("Outbound", requests))
    await sender.send(Batch("Traces", b"body", PROTOBUF, "gzip", 0.0))
    return requests


def answer(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, b"")


async def test_it_goes_to_the_signals_path_with_its_headers() -> None:
    asked = (await sent(answer(202))).asked
    assert (asked["method"], asked["url"]) == ("POST", "https://otlp.example:4318/otlp/v1/traces")
    assert asked["headers"] == {
        "content-type": PROTOBUF,
        "content-encoding": "gzip",
        "authorization": "Bearer x",
    }
    assert asked["body"] == b"body"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_some_answers_ask_for_another_attempt(status: int) -> None:
    with pytest.raises(LaterError, match=str(status)):
        await sent(answer(status))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 500, 501])
async def test_all_others_are_final(status: int) -> None:
    with pytest.raises(RefusedError, match=str(status)):
        await sent(answer(status))


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("Wed, 01 Jan 2020 00:00:00 GMT", 0, 0),
        ("soon", None, None),
        ("-5", None, None),
        ("", None, None),
    ],
    ids=["seconds", "none", "past", "word", "negative", "empty"],
)
async def test_how_long_the_collector_asks_for(retry_after: str, least: float | None, most: float | None) -> None:
    with pytest.raises(LaterError) as caught:
        await sent(answer(503, {"retry-after": retry_after}))
    if least is None or most is None:
        assert caught.value.after is None
    else:
        assert caught.value.after is not None
        assert least <= caught.value.after <= most


async def test_until_when_the_collector_asks_for() -> None:
    with pytest.raises(LaterError) as caught:
        await sent(answer(503, {"retry-after": formatdate(time.time() + 100, usegmt=True)}))
    assert caught.value.after is not None
    assert 0 < caught.value.after <= 100


@pytest.mark.parametrize(
    ("reason", "error"),
    [("Connect", LaterError), ("Timeout", LaterError), ("RefusedAddress", LaterError), ("Unusable", RefusedError)],
)
async def test_no_answer_at_all(reason: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="no connection"):
        await sent(OutboundError("no connection to otlp.example", reason=reason))
