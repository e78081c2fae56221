"""The search for secret values where none may be: logs, events, statuses, annotations, metrics.

Tests give their Secrets values with one of the `MARKS` in them. At the end of a run everything that the operators said
or wrote is searched for these, and for what the operators made up themselves: signing keys and admin tokens.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.cluster.api_client import ApiClient

MARKS: Final = ("c4n4ry", "sk-ant-api03-xxxx", "sk-ant-canary-7777")
SAID: Final = ("operator-*.log", "operator-*.metrics")
"""Files that the operators of the tests leave in their folders."""
_SIGNING: Final = "-signing"
_PUBLIC: Final = ("state",)
_SHORTEST: Final = 16


def leaks(client: ApiClient, *, folder: Path) -> list[str]:
    """Where a secret value was found, without the value."""
    secrets = _items(client, "/api/v1/secrets")
    wanted = {form for value in (*MARKS, *_made_up(secrets)) for form in _forms(value)}
    found = []
    for path in sorted(each for pattern in SAID for each in folder.rglob(pattern)):
        lines = path.read_text(errors="replace").splitlines()
        found += [f"{path}:{number}" for number, line in enumerate(lines, start=1) if _has(line, wanted)]
    for resource, item in _everything(client):
        shown = {
            key: value for key, value in item.items() if resource != "secrets" or key not in ("data", "stringData")
        }
        if _has(json.dumps(shown), wanted):
            metadata = item["metadata"]
            found.append(f"{resource} {metadata.get('namespace', '')}/{metadata['name']}")
    return found


def _everything(client: ApiClient) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of every kind that can be listed."""
    groups = client.get("/apis")["groups"]
    for path in ("/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)):
        for resource in _found(client, path).get("resources") or ():
            if "/" not in resource["name"] and "list" in resource["verbs"]:
                for item in _items(client, f"{path}/{resource['name']}"):
                    yield resource["name"], item


def _items(client: ApiClient, path: str) -> list[dict[str, Any]]:
    return list(_found(client, path).get("items") or ())


def _found(client: ApiClient, path: str) -> dict[str, Any]:
    """Empty where there is no such kind any more: a test has just removed its CRD."""
    answer = client.request("GET", path)
    return {} if answer.status == 404 else dict(answer.accepted())


def _made_up(secrets: Iterable[dict[str, Any]]) -> Iterator[str]:
    """What the operator made for gateways: the values of their signing Secrets."""
    for secret in secrets:
        if secret["metadata"]["name"].endswith(_SIGNING):
            for key, value in (secret.get("data") or {}).items():
                plain = base64.b64decode(value).decode(errors="replace")
                if key not in _PUBLIC and len(plain) >= _SHORTEST:
                    yield plain


def _forms(value: str) -> Iterator[str]:
    """As it is, and in base64 from each of the three places where it can begin."""
    yield value
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value.encode()).decode().rstrip("=")
        yield encoded[[0, 2, 3][before] : -1]


def _has(text: str, wanted: Iterable[str]) -> bool:
    return any(value in text for value in wanted)
