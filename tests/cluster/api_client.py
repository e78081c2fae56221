"""A small blocking client of a Kubernetes API server for tests. Standard library only."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
SERVER_SIDE_APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"

Result = TypeVar("Result")


class ApiError(Exception):
    """The API server refused a request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said. `body` is the parsed JSON, or the text where it is none."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def refusal(self) -> str | None:
        """The message of a refusal, as `kubectl` shows it; None where the request was accepted."""
        if self.status < 400:
            return None
        return str(self.body.get("message", self.body) if isinstance(self.body, dict) else self.body)

    def accepted(self) -> Any:
        """The body of an accepted request. Raises `ApiError`."""
        if self.refusal is not None:
            raise ApiError(f"{self.status}: {self.refusal}")
        return self.body


class ApiClient:
    """Objects are sent as manifests; where they go is learned from discovery.

    Every write asks for strict field validation: an unknown or duplicate field is an error, not a warning. We show who
    we are with a token or with a client certificate and its key; `user`, if given, is whom we act as.
    """

    def __init__(
        self,
        url: str,
        *,
        certificate: Path,
        token: str = "",
        client_certificate: tuple[Path, Path] | None = None,
        user: str | None = None,
    ) -> None:
        self.url = url
        self._address = urlsplit(url)
        self._tls = ssl.create_default_context(cafile=str(certificate))
        if client_certificate is not None:
            self._tls.load_cert_chain(*client_certificate)
        self._headers = ({"Authorization": f"Bearer {token}"} if token else {}) | (
            {"Impersonate-User": user} if user else {}
        )
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        accept: str = "application/json",
        content_type: str = "application/json",
        deadline: float = 15.0,
    ) -> Answer:
        """One request, repeated while the server says 429 or asks for a retry, for at most `deadline` seconds.

        The storage of a CRD answers 429 for about a second after its creation.
        """
        until = time.monotonic() + deadline
        while True:
            answer = self._once(method, path, body, query or {}, accept, content_type)
            if answer.status != 429 or time.monotonic() >= until:
                return answer
            time.sleep(0.1)

    def _once(
        self, method: str, path: str, body: Any, query: Mapping[str, str], accept: str, content_type: str
    ) -> Answer:
        connection = http.client.HTTPSConnection(
            self._address.hostname or "", self._address.port, context=self._tls, timeout=30
        )
        try:
            connection.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                body=None if body is None else json.dumps(body),
                headers=self._headers | {"Accept": accept, "Content-Type": content_type},
            )
            response = connection.getresponse()
            raw = response.read().decode()
            is_json = raw.startswith("{")  # the OpenAPI documents come as text/plain
            return Answer(response.status, dict(response.headers.items()), json.loads(raw) if is_json else raw)
        finally:
            connection.close()

    def get(self, path: str, *, accept: str = "application/json") -> Any:
        """The body at `path`. Raises `ApiError`."""
        return self.request("GET", path, accept=accept).accepted()

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Answer:
        return self.request("POST", self.path_of(manifest, name=False), body=manifest, query=_writing(dry_run))

    def replace(self, manifest: Mapping[str, Any], *, subresource: str = "", dry_run: bool = False) -> Answer:
        path = self.path_of(manifest) + (f"/{subresource}" if subresource else "")
        return self.request("PUT", path, body=manifest, query=_writing(dry_run))

    def apply(self, manifest: Mapping[str, Any], *, manager: str = "tests", subresource: str = "") -> Answer:
        """Server-side apply that takes over fields of other managers."""
        path = self.path_of(manifest) + (f"/{subresource}" if subresource else "")
        query = _writing(dry_run=False) | {"fieldManager": manager, "force": "true"}
        return self.request("PATCH", path, body=manifest, query=query, content_type=SERVER_SIDE_APPLY)

    def read(self, manifest: Mapping[str, Any]) -> Any:
        """The stored object with the manifest's kind and name. Raises `ApiError`."""
        return self.get(self.path_of(manifest))

    def delete(self, manifest: Mapping[str, Any]) -> Answer:
        return self.request("DELETE", self.path_of(manifest))

    def path_of(self, manifest: Mapping[str, Any], *, name: bool = True) -> str:
        """The path of an object, or (without `name`) of the collection it belongs to; namespace `default` if none."""
        version, kind = str(manifest["apiVersion"]), str(manifest["kind"])
        plural, namespaced = self._resource(version, kind)
        metadata = manifest.get("metadata", {})
        parts = ["api" if "/" not in version else "apis", version]
        if namespaced:
            parts += ["namespaces", metadata.get("namespace", "default")]
        parts.append(plural)
        if name:
            parts.append(metadata["name"])
        return "/" + "/".join(parts)

    def _resource(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._resources:
            listed = self.get(f"/{'api' if '/' not in version else 'apis'}/{version}")
            for resource in listed["resources"]:
                if "/" not in resource["name"]:
                    self._resources[version, resource["kind"]] = (resource["name"], resource["namespaced"])
        try:
            return self._resources[version, kind]
        except KeyError:
            raise ApiError(f"the API server does not serve {kind} of {version}") from None


def _writing(dry_run: bool) -> dict[str, str]:
    return {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})


def eventually(look: Callable[[], Result], *, within: float, what: str) -> Result:
    """The first true result of `look`. Raises `TimeoutError`, naming `what`, after `within` seconds."""
    until = time.monotonic() + within
    while not (result := look()):
        if time.monotonic() >= until:
            raise TimeoutError(f"{what}: not within {within:g} s; last seen: {result!r}")
        time.sleep(0.05)
    return result
