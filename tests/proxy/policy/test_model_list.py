"""`GET /v1/models`: the whole list at once, or in pages for a client that asks."""

import json
from typing import Any

import pytest
from tests.proxy.configurations import IDS, MODELS

from gateway_proxy.errors import GatewayError
from gateway_proxy.policy.model_list import ModelList

LIST = ModelList(MODELS)


def page(query: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(LIST.page(query))
    return value


def test_the_whole_list() -> None:
    assert page("") == {
        "data": [
            {
                "type": "model",
                "id": "claude-opus-5-5",
                "display_name": "Claude Opus 5.5",
                "created_at": "2026-09-01T00:00:00Z",
                "max_input_tokens": 1_000_000,
            },
            *[
                {"type": "model", "id": one.id, "display_name": one.display_name, "created_at": one.created_at}
                for one in MODELS[1:]
            ],
        ],
        "has_more": False,
        "first_id": IDS[0],
        "last_id": IDS[-1],
    }


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("limit=1000", IDS, False),
        ("limit=99999999999999", IDS, False),
        ("limit=2", IDS[:2], True),
        ("limit=0", IDS[:1], True),
        ("limit=3", IDS, False),
        (f"after_id={IDS[0]}", IDS[1:], False),
        (f"after_id={IDS[0]}&limit=1", IDS[1:2], True),
        (f"after_id={IDS[2]}", (), False),
        (f"before_id={IDS[2]}", IDS[:2], False),
        (f"before_id={IDS[2]}&limit=1", IDS[1:2], True),
        ("unknown=1&beta=true&&=", IDS, False),
        ("after_id=", IDS, False),
    ],
)
def test_pages(query: str, ids: tuple[str, ...], has_more: bool) -> None:
    found = page(query)
    assert tuple(model["id"] for model in found["data"]) == ids
    assert found["has_more"] is has_more
    assert (found["first_id"], found["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "limit=", "limit=²", "after_id=other", f"after_id={IDS[0]}&before_id={IDS[1]}"]
)
def test_what_makes_no_sense_is_400(query: str) -> None:
    with pytest.raises(GatewayError) as caught:
        LIST.page(query)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")


def test_an_empty_list() -> None:
    assert json.loads(ModelList(()).body) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_a_long_query_is_read_within_bounds() -> None:
    assert page("a=1&" * 100_000)["has_more"] is False
