"""Install, upgrade and uninstall on a real API server: users' objects and running gateways are left alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import yaml
from tests.chart.helm import CHART, NAMESPACE, RELEASE, Helm, HelmError
from tests.cluster.api_client import ApiClient, ApiError, eventually
from tests.cluster.api_server import ApiServer

from gateway_operator.names import child_labels

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GATEWAYS = "/apis/claude-gateway.dev/v1alpha1/namespaces/claude/gatewaydeployments"


@pytest.fixture
def installed(empty_cluster: ApiServer, helm: Helm) -> Iterator[Helm]:
    """helm on a cluster of its own, with the chart installed; what a test leaves is removed."""
    there = Helm(program=helm.program, folder=helm.folder, kubeconfig=empty_cluster.kubeconfig)
    there.install()
    yield there
    if RELEASE in there.run("list", "-q", "-n", NAMESPACE):
        there.uninstall()


def _objects(helm: Helm, api: ApiClient) -> dict[str, str]:
    """The resource version of each object of the release."""
    manifests = yaml.load_all(helm.run("get", "manifest", RELEASE, "-n", NAMESPACE), Loader=yaml.CSafeLoader)
    versions = {}
    for manifest in manifests:
        path = api.path_of(manifest)
        versions[path] = api.get(path)["metadata"]["resourceVersion"]
    return versions


def _users_gateway(notes: str, api: ApiClient) -> list[dict[str, Any]]:
    """Applies what the notes teach, as the notes say."""
    text = notes.partition("<<'END'\n")[2].partition("\nEND\n")[0]
    manifests = list(yaml.safe_load_all(text))
    for manifest in manifests:
        manifest["metadata"]["namespace"] = "claude"
        # kinds that were installed a moment ago are served a moment later
        eventually(partial(_applied, api, manifest), within=20, what="the kind is served")
    return manifests


def _applied(api: ApiClient, manifest: dict[str, Any]) -> Any:
    try:
        return api.apply(manifest).accepted()
    except ApiError as error:
        if "does not serve" in str(error) or "404" in str(error):
            return None
        raise


def test_the_notes_teach_the_next_step(installed: Helm, empty_cluster: ApiServer) -> None:
    notes = installed.run("get", "notes", RELEASE, "-n", NAMESPACE)
    for manifest in _users_gateway(notes, empty_cluster.client):
        assert empty_cluster.client.read(manifest)
    for step in ("rollout status", "helm test", "wait --for=condition=Programmed", "key create", "ANTHROPIC_BASE_URL"):
        assert step in notes


def test_a_second_upgrade_with_unchanged_values_changes_nothing(installed: Helm, empty_cluster: ApiServer) -> None:
    before = _objects(installed, empty_cluster.client)
    assert len(before) >= 12
    installed.upgrade()
    assert _objects(installed, empty_cluster.client) == before


def test_an_upgrade_changes_what_its_values_say(installed: Helm, empty_cluster: ApiServer) -> None:
    before = _objects(installed, empty_cluster.client)
    installed.upgrade({"logLevel": "debug"})
    after = _objects(installed, empty_cluster.client)
    assert [path for path in before if before[path] != after[path]] == [
        f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}"
    ]


def test_narrowing_to_namespaces_takes_the_cluster_wide_rights_away(installed: Helm, empty_cluster: ApiServer) -> None:
    installed.upgrade({"watch": {"namespaces": ["claude"]}})
    role = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{RELEASE}.{NAMESPACE}"
    assert empty_cluster.client.request("GET", role).status == 404
    assert empty_cluster.client.request("GET", f"{CRDS}/gatewaydeployments.claude-gateway.dev").status == 200


def test_an_uninstall_leaves_users_objects_and_gateways_alone(installed: Helm, empty_cluster: ApiServer) -> None:
    api = empty_cluster.client
    manifests = _users_gateway(installed.run("get", "notes", RELEASE, "-n", NAMESPACE), api)
    owner = api.read(manifests[0])
    child = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "corp-config",
            "namespace": "claude",
            "labels": child_labels("corp"),
            "ownerReferences": [
                {key: owner[key] for key in ("apiVersion", "kind")} | {"name": "corp", "uid": owner["metadata"]["uid"]}
            ],
        },
    }
    api.apply(child).accepted()
    installed.uninstall()
    assert api.request("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}").status == 404
    assert len([crd for crd in api.get(CRDS)["items"] if crd["spec"]["group"] == "claude-gateway.dev"]) == 3
    for manifest in manifests:
        assert "deletionTimestamp" not in api.read(manifest)["metadata"]
    assert "deletionTimestamp" not in api.read(child)["metadata"]
    # and a new installation takes up what stayed
    installed.install()
    assert api.read(manifests[0])["metadata"]["uid"] == owner["metadata"]["uid"]
    api.delete(child).accepted()


def test_a_second_release_names_what_is_in_its_way(installed: Helm) -> None:
    with pytest.raises(HelmError, match=r"CustomResourceDefinition .*cannot be imported into the current release"):
        installed.install(namespace="claude")


def test_a_second_release_without_crds_goes_beside_the_first(installed: Helm, empty_cluster: ApiServer) -> None:
    before = _objects(installed, empty_cluster.client)
    installed.install({"crds": {"enabled": False}, "watch": {"namespaces": ["claude"]}}, namespace="claude")
    try:
        assert _objects(installed, empty_cluster.client) == before
    finally:
        installed.uninstall(namespace="claude")


def test_the_chart_is_a_package_that_a_release_can_hold(helm: Helm, tmp_path: Any) -> None:
    """helm keeps a release, chart and all, in one Secret of at most 1 MiB."""
    helm.run("package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.iterdir()
    assert package.stat().st_size < 256 * 1024
