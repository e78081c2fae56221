"""Leases in memory, with the optimistic concurrency of an API server: what an elector's client talks to."""

from __future__ import annotations

import copy
from typing import Any

from gateway_operator.kube.errors import AlreadyExistsError, ConflictError, UnavailableError
from gateway_operator.kube.resources import ResourceKind


class LeaseServer:
    """`away`: every request fails. `deaf`: writes happen, and their answers are lost."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self.version = 0
        self.away = False
        self.deaf = False

    @property
    def holder(self) -> str:
        return str(self.stored["spec"]["holderIdentity"]) if self.stored else ""

    def edit(self, **spec: Any) -> None:
        """Another process' write."""
        assert self.stored is not None
        self._store({**self.stored, "spec": {**self.stored["spec"], **spec}})

    def label(self, **labels: str) -> None:
        assert self.stored is not None
        self._store({**self.stored, "metadata": {**self.stored["metadata"], "labels": labels}})

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> dict[str, Any] | None:
        self._reached()
        return copy.deepcopy(self.stored)

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._reached()
        if self.stored is not None:
            raise AlreadyExistsError("there already", status=409)
        return self._answered(self._store(manifest))

    async def replace(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._reached()
        if self.stored is None or manifest["metadata"]["resourceVersion"] != str(self.version):
            raise ConflictError("another version", status=409)
        return self._answered(self._store(manifest))

    def _store(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.stored = copy.deepcopy(manifest)
        self.stored["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.stored)

    def _reached(self) -> None:
        if self.away:
            raise UnavailableError("away")

    def _answered(self, lease: dict[str, Any]) -> dict[str, Any]:
        if self.deaf:
            raise UnavailableError("the answer is lost")
        return lease
