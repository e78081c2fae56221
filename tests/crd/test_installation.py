"""The three CRDs on a real API server: what kubectl, `kubectl explain`, autoscalers and health tools see of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.api_client import MERGE_PATCH, TABLE, ApiClient, eventually

GROUP = "claude-gateway.dev"
VERSION = f"{GROUP}/v1alpha1"
CRDS = {path.name: path for path in sorted(Path(__file__).parents[2].joinpath("crds").glob("*.yaml"))}
KINDS = ("GatewayDeployment", "GatewayPolicy", "ProviderBinding")
CONDITIONS = {"Accepted", "ResolvedRefs", "Programmed", "Ready"}
# etcd takes 1.5 MiB, and `kubectl apply` keeps a second copy of the object in an annotation of at most 256 KiB
MOST_BYTES = 256 * 1024

SMALLEST: dict[str, dict[str, Any]] = {
    "GatewayDeployment": {"publicURL": "https://claude.corp.example"},
    "ProviderBinding": {
        "gatewayRefs": [{"name": "corp"}],
        "type": "Anthropic",
        "anthropic": {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}},
    },
    "GatewayPolicy": {"gatewayRefs": [{"name": "corp"}]},
}


def _smallest(kind: str, name: str = "smallest") -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": SMALLEST[kind]}


@pytest.fixture(params=KINDS)
def stored(request: pytest.FixtureRequest, api: ApiClient) -> Iterator[dict[str, Any]]:
    """The smallest object of each kind, as the API server keeps it."""
    manifest = _smallest(request.param)
    yield api.create(manifest).accepted()
    api.delete(manifest).accepted()


@pytest.fixture
def gateway(api: ApiClient) -> Iterator[dict[str, Any]]:
    manifest = _smallest("GatewayDeployment", "scaled")
    manifest["spec"] = manifest["spec"] | {"replicas": 3}
    yield api.create(manifest).accepted()
    api.delete(manifest).accepted()


@pytest.mark.parametrize("path", CRDS.values(), ids=CRDS)
def test_a_crd_fits_into_an_apply(path: Path) -> None:
    assert path.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("path", CRDS.values(), ids=CRDS)
def test_a_crd_is_established_without_a_complaint(path: Path, api: ApiClient) -> None:
    status = api.read(yaml.safe_load(path.read_text()))["status"]
    conditions = {condition["type"]: condition for condition in status["conditions"]}
    assert conditions["Established"]["status"] == "True"
    assert conditions["NamesAccepted"]["status"] == "True"
    # present only where the schema is not structural
    assert conditions.get("NonStructuralSchema", {}).get("status", "False") == "False"


@pytest.mark.parametrize("path", CRDS.values(), ids=CRDS)
def test_installing_a_crd_again_changes_nothing(path: Path, api: ApiClient) -> None:
    crd = yaml.safe_load(path.read_text())
    first = api.apply(crd).accepted()
    second = api.apply(crd).accepted()
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_discovery_gives_every_kind_short_names_and_categories(api: ApiClient) -> None:
    listed = api.get(f"/apis/{VERSION}")["resources"]
    resources = {resource["kind"]: resource for resource in listed if "/" not in resource["name"]}
    assert set(resources) == set(KINDS)
    short = [name for resource in resources.values() for name in resource["shortNames"]]
    assert len(short) == len(set(short))
    assert all(resource["shortNames"] for resource in resources.values())
    assert all(resource["namespaced"] for resource in resources.values())
    assert all({"get", "list", "watch", "create", "patch"} <= set(resource["verbs"]) for resource in resources.values())


def test_a_table_shows_readiness_and_age(stored: dict[str, Any], api: ApiClient) -> None:
    table = api.get(api.path_of(stored), accept=TABLE)
    columns = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert columns[0] == "Name"
    assert columns[-1] == "Age"
    assert "Ready" in columns
    row = dict(zip(columns, table["rows"][0]["cells"], strict=False))
    assert row["Ready"] == "Unknown"


def test_a_table_shows_every_declared_column(stored: dict[str, Any], api: ApiClient) -> None:
    table = api.get(api.path_of(stored), accept=TABLE)
    assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])
    undescribed = [column["name"] for column in table["columnDefinitions"] if not column["description"]]
    assert not undescribed


def test_the_gateway_table_shows_where_it_is_and_its_pods(gateway: dict[str, Any], api: ApiClient) -> None:
    status = {"url": "https://claude.corp.example", "replicas": 3}
    api.request("PATCH", f"{api.path_of(gateway)}/status", body={"status": status}, content_type=MERGE_PATCH).accepted()
    table = api.get(api.path_of(gateway), accept=TABLE)
    row = {
        column["name"]: cell for column, cell in zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
    }
    assert row["URL"] == "https://claude.corp.example"
    assert row["Replicas"] == 3


def test_a_new_object_is_not_taken_for_ready(stored: dict[str, Any]) -> None:
    """Tools that follow kstatus take an object without conditions as current."""
    conditions = {condition["type"]: condition for condition in stored["status"]["conditions"]}
    assert set(conditions) == CONDITIONS
    assert {condition["status"] for condition in conditions.values()} == {"Unknown"}


def test_status_is_written_apart_from_spec(stored: dict[str, Any], api: ApiClient) -> None:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    status = {"observedGeneration": 1, "conditions": [condition]}
    written = api.request(
        "PATCH", f"{api.path_of(stored)}/status", body={"status": status, "spec": None}, content_type=MERGE_PATCH
    ).accepted()
    assert written["status"]["conditions"] == [condition]
    assert written["spec"] == stored["spec"]
    assert written["metadata"]["generation"] == stored["metadata"]["generation"]
    ignored = api.request("PATCH", api.path_of(stored), body={"status": {}}, content_type=MERGE_PATCH).accepted()
    assert ignored["status"] == written["status"]


def test_two_owners_share_the_conditions(stored: dict[str, Any], api: ApiClient) -> None:
    """Conditions are a list by type: server-side apply of one leaves the others standing."""
    base = {key: stored[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": stored["metadata"]["name"]}}
    condition = {"type": "Ready", "status": "False", "reason": "Why", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    applied = api.apply(base | {"status": {"conditions": [condition | {"message": ""}]}}, subresource="status")
    conditions = {each["type"]: each["status"] for each in applied.accepted()["status"]["conditions"]}
    assert set(conditions) == CONDITIONS
    assert conditions["Ready"] == "False"


def test_the_server_keeps_what_was_written(stored: dict[str, Any]) -> None:
    assert _holds(stored["spec"], SMALLEST[stored["kind"]]), stored["spec"]


@pytest.mark.parametrize("stored", ["GatewayPolicy"], indirect=True)
def test_the_server_adds_nothing_to_a_policy(stored: dict[str, Any]) -> None:
    """What a policy leaves out, the base layer says: a default would say it in its place."""
    assert stored["spec"] == SMALLEST["GatewayPolicy"]


@pytest.mark.parametrize("stored", ["GatewayDeployment"], indirect=True)
def test_the_server_chooses_no_number_of_pods(stored: dict[str, Any]) -> None:
    """It depends on the store, and an autoscaler excludes it."""
    assert "replicas" not in stored["spec"]


def _holds(actual: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(_holds(actual.get(key), value) for key, value in expected.items())
    return bool(actual == expected)


def test_a_gateway_scales(gateway: dict[str, Any], api: ApiClient) -> None:
    path = f"{api.path_of(gateway)}/scale"
    scale = api.get(path)
    assert scale["spec"]["replicas"] == 3
    scale["spec"]["replicas"] = 5
    api.request("PUT", path, body=scale).accepted()
    assert api.read(gateway)["spec"]["replicas"] == 5


def test_a_scale_shows_what_an_autoscaler_needs(gateway: dict[str, Any], api: ApiClient) -> None:
    body = {"status": {"replicas": 2, "selector": "app=gateway"}}
    api.request("PATCH", f"{api.path_of(gateway)}/status", body=body, content_type=MERGE_PATCH).accepted()
    scale = api.get(f"{api.path_of(gateway)}/scale")
    assert scale["status"] == {"replicas": 2, "selector": "app=gateway"}


def test_scaling_keeps_to_the_bounds(gateway: dict[str, Any], api: ApiClient) -> None:
    path = f"{api.path_of(gateway)}/scale"
    refused = api.request("PATCH", path, body={"spec": {"replicas": 1_000_000}}, content_type=MERGE_PATCH)
    assert refused.refusal is not None
    assert "spec.replicas" in refused.refusal


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["spec", "metadata", ""], ids=["spec", "metadata", "root"])
def test_an_unknown_field_is_refused_by_name(kind: str, where: str, api: ApiClient) -> None:
    manifest = yaml.safe_load(yaml.safe_dump(_smallest(kind)))
    (manifest[where] if where else manifest)["surprise"] = True
    refusal = api.create(manifest, dry_run=True).refusal
    assert refusal is not None
    assert f'unknown field "{f"{where}." if where else ""}surprise"' in refusal


@pytest.mark.parametrize(
    ("kind", "free"),
    [
        ("GatewayDeployment", {"spec.podTemplate.affinity"}),
        ("GatewayPolicy", {"spec.desktop", "spec.settings"}),
        ("ProviderBinding", set()),
    ],
)
def test_only_documents_of_others_are_free_of_form(kind: str, free: set[str], api: ApiClient) -> None:
    fields = _fields(_schema_of(kind, api))
    assert {path for path, schema in fields if schema.get("x-kubernetes-preserve-unknown-fields")} == free


@pytest.mark.parametrize("kind", KINDS)
def test_explain_teaches_every_field(kind: str, api: ApiClient) -> None:
    fields = [(path, schema) for path, schema in _fields(_schema_of(kind, api)) if path.startswith(("spec", "status"))]
    assert len(fields) > 10
    silent = [path for path, schema in fields if not schema.get("description", "").strip()]
    assert not silent


def _schema_of(kind: str, api: ApiClient) -> dict[str, Any]:
    """What `kubectl explain` reads; the server publishes it a moment after the CRD."""

    def look() -> dict[str, Any] | None:
        answer = api.request("GET", f"/openapi/v3/apis/{VERSION}")
        schemas = answer.body["components"]["schemas"].values() if answer.status == 200 else []
        for schema in schemas:
            named = schema.get("x-kubernetes-group-version-kind", [])
            if any(each["kind"] == kind and each["group"] == GROUP for each in named):
                return schema  # type: ignore[no-any-return]  # parsed JSON
        return None

    return eventually(look, within=20, what=f"an OpenAPI schema of {kind}") or {}


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field with its schema, depth first; what an array or a map holds stands under the field's own path."""
    for name, child in schema.get("properties", {}).items():
        inner = f"{path}.{name}" if path else name
        yield inner, child
        yield from _fields(child, inner)
    for held in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(held, dict):
            yield from _fields(held, path)
