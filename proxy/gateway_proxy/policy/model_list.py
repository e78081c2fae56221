"""The body of `GET /v1/models`: rendered once per policy, cut into pages only for a client that asks."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from gateway_config.contract import Model
from gateway_config.denials import quoted
from gateway_proxy import errors

MAX_LIMIT: Final = 1000
"""Of the Anthropic API, and what Claude Code asks for. Without a limit the whole list is given."""
_MAX_FIELDS: Final = 20


class ModelList:
    """The models of one policy as the Models API lists them."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._entries = [_entry(model) for model in models]
        self._positions = {model.id: number for number, model in enumerate(models)}
        self.body = _page(self._entries, has_more=False)

    def page(self, query: str) -> bytes:
        """The body for a query string. Members it does not know are ignored; raises GatewayError (400) for a limit
        that is no number, a cursor that is not in the list, or two cursors."""
        if not query:
            return self.body
        members = dict(parse_qsl(query[:2048], keep_blank_values=True, max_num_fields=None)[:_MAX_FIELDS])
        limit = _limit(members.get("limit"))
        after, before = members.get("after_id"), members.get("before_id")
        if after and before:
            raise errors.invalid_request("after_id and before_id cannot be used together: send one of them")
        if after:
            rest = self._entries[self._position("after_id", after) + 1 :]
            return self._rendered(rest[:limit], has_more=len(rest) > limit)
        if before:
            rest = self._entries[: self._position("before_id", before)]
            return self._rendered(rest[-limit:], has_more=len(rest) > limit)
        return self._rendered(self._entries[:limit], has_more=len(self._entries) > limit)

    def _position(self, member: str, cursor: str) -> int:
        position = self._positions.get(cursor)
        if position is None:
            raise errors.invalid_request(f"{member} {quoted(cursor)} is not a model of this list")
        return position

    def _rendered(self, entries: list[dict[str, Any]], *, has_more: bool) -> bytes:
        return self.body if len(entries) == len(self._entries) else _page(entries, has_more=has_more)


def _entry(model: Model) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": model.created_at,
    }
    if model.max_input_tokens is not None:
        entry["max_input_tokens"] = model.max_input_tokens
    if model.description:
        entry["description"] = model.description
    return entry


def _page(entries: list[dict[str, Any]], *, has_more: bool) -> bytes:
    return orjson.dumps(
        {
            "data": entries,
            "has_more": has_more,
            "first_id": entries[0]["id"] if entries else None,
            "last_id": entries[-1]["id"] if entries else None,
        }
    )


def _limit(value: str | None) -> int:
    if value is None:
        return MAX_LIMIT
    if not (value.isascii() and value.isdigit()):
        raise errors.invalid_request(f"limit must be a number from 1 to {MAX_LIMIT}, not {quoted(value)}")
    return min(max(int(value[:9]), 1), MAX_LIMIT)
