"""What the faults are let loose on: gateways in a namespace of their own, and what their pods would be given."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cluster.api_client import MERGE_PATCH, ApiClient, eventually
from tests.control_plane.examples import Example, Manifest
from tests.standins.manifests import developer_key

from gateway_config import bundle
from gateway_config.bundle import Bundle, BundleError
from gateway_operator import names
from gateway_operator.kube.resources import DEPLOYMENTS, SECRETS

CANARY = "c4n4ry"
"""In every provider credential of these tests. Whoever finds it anywhere but in a Secret has found a leak."""
MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5")
WITHIN = 60.0
"""Generous: a busy machine, backoff, and the operator's own start."""


def credential(number: int = 0) -> str:
    return f"sk-ant-api03-{CANARY}-{number:06}"


class Gateway(Example):
    """An example that tests do things to."""

    @property
    def provider_key(self) -> Manifest:
        return {**super().provider_key, "stringData": {"api-key": credential()}}

    def create(self) -> Gateway:
        super().create()
        return self

    def edit(self, manifest: Manifest, **spec: Any) -> None:
        """Members of the spec, as `kubectl patch` changes them."""
        self.patch(manifest, {"spec": spec})

    def patch(self, manifest: Manifest, change: Manifest) -> Manifest:
        path = self.api.path_of(manifest)
        found: Manifest = self.api.request("PATCH", path, body=change, content_type=MERGE_PATCH).accepted()
        return found

    def rotate(self, number: int) -> None:
        self.api.apply({**self.provider_key, "stringData": {"api-key": credential(number)}}).accepted()

    def developer_key(self, user: str) -> Manifest:
        """Of `key_of(user)`, for this gateway."""
        key = developer_key(user)
        labels = {names.GATEWAY_LABEL: self.name}
        return {**key, "metadata": {**key["metadata"], "namespace": self.namespace, "labels": labels}}

    @property
    def deployment(self) -> Manifest:
        return self.child(DEPLOYMENTS)

    @property
    def config(self) -> Manifest:
        return self.child(SECRETS, names.config_secret(self.name))

    @property
    def credentials(self) -> Manifest:
        return self.child(SECRETS, names.credentials_secret(self.name))

    @property
    def signing(self) -> Manifest:
        return self.child(SECRETS, names.signing_secret(self.name))

    def files(self) -> dict[str, bytes]:
        """Of the live Secrets of the configuration, as they would be mounted."""
        wanted = [names.config_secret(self.name, part) for part in range(bundle.MAX_PARTS)]
        wanted.append(names.credentials_secret(self.name))
        found = {}
        for name in wanted:
            live = self.live(self.child(SECRETS, name)) or {}
            found |= {key: base64.b64decode(value) for key, value in (live.get("data") or {}).items()}
        return found

    def bundle(self) -> Bundle:
        """Raises BundleError where a pod could not load what is in the Secrets."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self.files().items():
                (Path(folder) / name).write_bytes(content)
            return bundle.read(Path(folder))

    def sequence(self) -> int:
        return self.bundle().index.sequence

    def loads(self, judge: Callable[[Bundle], bool] = lambda _: True) -> bool:
        """Whether pods could load what is in the Secrets, and it is as it should be."""
        try:
            return judge(self.bundle())
        except BundleError:
            return False

    def serves_models(self, *models: str) -> bool:
        """Whether the policy in the live configuration grants just these."""
        return self.loads(lambda loaded: set(loaded.configuration.base.models or ()) == set(models))

    def serves_credential(self, number: int) -> bool:
        return self.loads(lambda loaded: credential(number) in loaded.credentials.values())

    def wait_for_models(self, *models: str, within: float = WITHIN) -> None:
        eventually(lambda: self.serves_models(*models), within=within, what=f"{self.namespace}/{self.name}: {models}")

    def condition(self, manifest: Manifest, kind: str) -> Manifest:
        conditions = self.api.read(manifest).get("status", {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == kind), {})

    def wait_for_condition(
        self, manifest: Manifest, kind: str, reason: str, *, says: str = "", within: float = WITHIN
    ) -> Manifest:
        """The condition, once it has the reason and its message says what it should."""
        seen: Manifest = {}

        def look() -> bool:
            seen.clear()
            seen.update(self.condition(manifest, kind))
            return seen.get("reason") == reason and says in seen.get("message", "")

        try:
            eventually(look, within=within, what=f"{kind} of {manifest['metadata']['name']}: {reason} {says!r}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {seen}") from None
        return seen

    def wait_until_sound(self, *, within: float = WITHIN) -> None:
        """Accepted, and with a configuration that can be loaded. There may be no pods."""
        self.wait_for(self.gateway, "Accepted", ("True", "Accepted"), within=within)
        eventually(self.loads, within=within, what=f"{self.namespace}/{self.name} can be loaded")


def managed(api: ApiClient, namespace: str) -> dict[str, str]:
    """The uid of every object with the operator's label, by `Kind/name`."""
    found = {}
    for group in (
        "/api/v1",
        "/apis/apps/v1",
        "/apis/policy/v1",
        "/apis/networking.k8s.io/v1",
        "/apis/autoscaling/v2",
    ):
        for resource in api.get(group)["resources"]:
            if not resource["namespaced"] or "/" in resource["name"] or "list" not in resource["verbs"]:
                continue
            if resource["kind"] == "Pod":
                continue  # those of the stand-in kubelet
            path = f"{group}/namespaces/{namespace}/{resource['name']}"
            answer = api.request("GET", path, query={"labelSelector": f"{names.MANAGED_BY_LABEL}={names.MANAGER}"})
            for item in answer.accepted()["items"]:
                found[f"{resource['kind']}/{item['metadata']['name']}"] = item["metadata"]["uid"]
    return found


def spec_of(api: ApiClient, manifest: Manifest) -> str:
    """For comparisons: the spec as one text."""
    return json.dumps(api.read(manifest).get("spec"), sort_keys=True)
