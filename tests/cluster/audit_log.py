"""What an API server was asked for, by its own audit log: who, what, how often."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{level: Metadata}]
"""
READS = frozenset({"get", "list", "watch"})


class Asked(NamedTuple):
    """One finished request. `resource` is a plural, with `/status` and the like behind it; empty: no resource."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int

    @property
    def is_write(self) -> bool:
        """Refused ones too."""
        return self.verb not in READS and bool(self.resource)


@dataclass(slots=True)
class AuditLog:
    """Reads on from where it was: each request is told once. The API server writes a line before it answers, so
    whatever has been answered is here; a watch is when it ends."""

    path: Path
    _offset: int = 0

    def skip(self) -> None:
        """What was asked until now does not count."""
        self._offset = self.path.stat().st_size if self.path.exists() else 0

    def news(self) -> Iterator[Asked]:
        """What was asked since the last look."""
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return  # being written
                self._offset += len(line)
                yield _asked(json.loads(line))

    def writes(self, *, user: str) -> list[Asked]:
        """The writes of one user since the last look, the Lease aside."""
        return [asked for asked in self.news() if asked.is_write and asked.user == user and asked.resource != "leases"]


def counted(asked: list[Asked]) -> Counter[str]:
    """How often each verb and resource, for people: `patch secrets`."""
    return Counter(f"{each.verb} {each.resource}" for each in asked)


def _asked(event: dict[str, dict[str, object]]) -> Asked:
    about = event.get("objectRef") or {}
    user = event.get("impersonatedUser") or event["user"]
    resource = "/".join(str(about[key]) for key in ("resource", "subresource") if about.get(key))
    code = (event.get("responseStatus") or {}).get("code", 0)
    return Asked(
        user=str(user["username"]),
        verb=str(event["verb"]),
        resource=resource,
        namespace=str(about.get("namespace", "")),
        name=str(about.get("name", "")),
        code=code if isinstance(code, int) else 0,
    )
