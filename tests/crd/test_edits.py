"""What happens to an edit of an object that is there already. Nothing is immutable: every field may be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.cluster.api_client import MERGE_PATCH, Answer, ApiClient

Store = Callable[[str, dict[str, Any]], dict[str, Any]]
REFS = [{"name": "corp"}]


@pytest.fixture
def store(api: ApiClient) -> Iterator[Store]:
    """Makes an object of a kind with a spec; it goes when the test ends."""
    made: list[dict[str, Any]] = []

    def make(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        manifest = {
            "apiVersion": "claude-gateway.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": "edited"},
            "spec": spec,
        }
        made.append(manifest)
        stored: dict[str, Any] = api.create(manifest).accepted()
        return stored

    yield make
    for manifest in made:
        api.delete(manifest).accepted()


def _patch(api: ApiClient, stored: dict[str, Any], spec: dict[str, Any], subresource: str = "") -> Answer:
    return api.request("PATCH", api.path_of(stored) + subresource, body={"spec": spec}, content_type=MERGE_PATCH)


def test_another_provider_needs_the_old_member_gone(store: Store, api: ApiClient) -> None:
    anthropic = {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}}
    binding = store("ProviderBinding", {"gatewayRefs": REFS, "type": "Anthropic", "anthropic": anthropic})
    change = {"type": "Bedrock", "bedrock": {"region": "eu-central-1", "podIdentity": {}}}
    refusal = _patch(api, binding, change).refusal
    assert refusal is not None
    assert "anthropic goes with type Anthropic only: remove it, or set type to Anthropic" in refusal
    changed = _patch(api, binding, {**change, "anthropic": None}).accepted()
    assert "anthropic" not in changed["spec"]
    assert changed["metadata"]["generation"] == binding["metadata"]["generation"] + 1


def test_a_credential_is_changed_in_one_step(store: Store, api: ApiClient) -> None:
    anthropic = {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}}
    binding = store("ProviderBinding", {"gatewayRefs": REFS, "type": "Anthropic", "anthropic": anthropic})
    token = {"oauthTokenSecretRef": {"name": "anthropic", "key": "token"}}
    refusal = _patch(api, binding, {"anthropic": token}).refusal
    assert refusal is not None
    assert "exactly one credential is needed" in refusal
    changed = _patch(api, binding, {"anthropic": {**token, "apiKeySecretRef": None}}).accepted()
    assert set(changed["spec"]["anthropic"]) - {"baseURL"} == {"oauthTokenSecretRef"}


def test_a_policy_does_not_become_the_base_layer_by_accident(store: Store, api: ApiClient) -> None:
    spec = {"gatewayRefs": REFS, "priority": 100, "matches": [{"groups": ["contractors"]}], "access": "Deny"}
    policy = store("GatewayPolicy", spec)
    refusal = _patch(api, policy, {"matches": None}).refusal
    assert refusal is not None
    assert "a policy without matches is the base layer" in refusal
    assert _patch(api, policy, {"matches": [{"groups": []}]}).refusal is not None
    assert api.read(policy)["spec"]["matches"] == spec["matches"]


def test_a_gateway_that_scales_itself_cannot_be_scaled_by_hand(store: Store, api: ApiClient) -> None:
    spec = {"publicURL": "https://claude.corp.example", "autoscaling": {"maxReplicas": 50}}
    gateway = store("GatewayDeployment", spec)
    refusal = _patch(api, gateway, {"replicas": 5}, "/scale").refusal
    assert refusal is not None
    assert "replicas and autoscaling exclude each other" in refusal


def test_a_gateway_without_replicas_is_scaled_by_hand(store: Store, api: ApiClient) -> None:
    gateway = store("GatewayDeployment", {"publicURL": "https://claude.corp.example"})
    _patch(api, gateway, {"replicas": 5}, "/scale").accepted()
    assert api.read(gateway)["spec"]["replicas"] == 5


def test_an_embedded_store_stays_with_one_pod(store: Store, api: ApiClient) -> None:
    gateway = store("GatewayDeployment", {"publicURL": "https://claude.corp.example", "store": {"type": "Embedded"}})
    refusal = _patch(api, gateway, {"replicas": 2}, "/scale").refusal
    assert refusal is not None
    assert "an Embedded store belongs to one pod" in refusal


def test_two_managers_add_to_one_list(store: Store, api: ApiClient) -> None:
    """Lists of named entries merge under server-side apply, each manager keeping its own."""
    gateway = store("GatewayDeployment", {"publicURL": "https://claude.corp.example"})
    base = {key: gateway[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "edited"}}
    for manager in ("one", "two"):
        models = {"custom": [{"id": f"claude-{manager}-1"}]}
        api.apply(base | {"spec": {"models": models}}, manager=manager).accepted()
    assert [model["id"] for model in api.read(gateway)["spec"]["models"]["custom"]] == ["claude-one-1", "claude-two-1"]
