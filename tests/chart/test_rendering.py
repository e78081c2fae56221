"""What the chart makes of its values."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.helm import CHART, KUBE_VERSION, Helm, Manifest, kinds, only

PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example:5000/team/operator", "digest": f"sha256:{'a' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "proxyImage": {"repository": "registry.example/proxy", "tag": "1.2.3", "pullPolicy": "Always"},
    "watch": {"namespaces": ["team-a", "team-b"]},
    "crds": {"keep": False},
    "replicas": 2,
    "logLevel": "debug",
    "resyncSeconds": 3600,
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "serviceAccount": {"name": "gateways", "annotations": {"example.com/role": "x"}},
    "podLabels": {"team": "platform"},
    "podAnnotations": {"example.com/scrape": "true"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "control-plane", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    ],
    "priorityClassName": "system-cluster-critical",
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "networkPolicy": {"enabled": True, "metricsFrom": [PEER]},
}
SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": EVERYTHING,
    "two-replicas": {"replicas": 2},
    "paused": {"replicas": 0},
    "one-namespace": {"watch": {"namespaces": ["team-a"]}},
    "own-namespace": {"watch": {"namespaces": ["claude-gateway-system"]}},
    "without-crds": {"crds": {"enabled": False}},
    "without-rights": {
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "given"},
        "admissionPolicy": {"enabled": False},
    },
    "network-policy": {"networkPolicy": {"enabled": True}},
    "other-names": {"nameOverride": "gateways", "fullnameOverride": "corp-gateways"},
}


def _pod(manifests: list[Manifest]) -> Manifest:
    template: Manifest = only(manifests, "Deployment")["spec"]["template"]
    return template


def _environment(manifests: list[Manifest]) -> dict[str, str]:
    (container,) = _pod(manifests)["spec"]["containers"]
    return {each["name"]: each.get("value", "") for each in container["env"]}


def test_helm_finds_nothing_to_complain_about(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.run("lint", "--strict", KUBE_VERSION, str(CHART))


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_every_object_is_in_the_release_s_name(values: dict[str, Any], helm: Helm) -> None:
    """Nothing without a namespace may fall into whatever namespace somebody's kubectl is set to."""
    manifests = helm.template(values)
    assert len(
        {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in manifests}
    ) == len(manifests)
    cluster_wide = {
        "CustomResourceDefinition",
        "ClusterRole",
        "ClusterRoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    for manifest in manifests:
        metadata = manifest["metadata"]
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert ("namespace" in metadata) is (manifest["kind"] not in cluster_wide)


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_pods_meet_the_restricted_standard(values: dict[str, Any], helm: Helm) -> None:
    manifests = helm.template(values)
    for pod in (_pod(manifests)["spec"], only(manifests, "Pod")["spec"]):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "hostNetwork" not in pod
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} <= set(container["resources"])


def test_only_the_operator_itself_has_a_token(helm: Helm) -> None:
    manifests = helm.template()
    assert only(manifests, "ServiceAccount")["automountServiceAccountToken"] is False
    assert _pod(manifests)["spec"]["automountServiceAccountToken"] is True
    assert only(manifests, "Pod")["spec"]["automountServiceAccountToken"] is False


def test_probes_ask_the_operator(helm: Helm) -> None:
    (container,) = _pod(helm.template())["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert {"name": "http", "containerPort": 8080, "protocol": "TCP"} in container["ports"]


def test_an_upgrade_never_changes_the_selector(helm: Helm) -> None:
    """A Deployment's selector is fixed; what changes it makes every later upgrade fail."""
    same = [values for name, values in SETS.items() if name != "other-names"]
    selectors = [only(helm.template(values), "Deployment")["spec"]["selector"] for values in same]
    assert all(selector == selectors[0] for selector in selectors)


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_every_selector_finds_the_operator_s_pods(values: dict[str, Any], helm: Helm) -> None:
    manifests = helm.template(values)
    labels = _pod(manifests)["metadata"]["labels"]
    selectors = [
        only(manifests, "Service")["spec"]["selector"],
        only(manifests, "Deployment")["spec"]["selector"]["matchLabels"],
    ]
    selectors += [
        each["spec"].get("selector", each["spec"].get("podSelector"))["matchLabels"]
        for each in manifests
        if each["kind"] in ("PodDisruptionBudget", "NetworkPolicy")
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert (
        not only(manifests, "Service")["spec"]["selector"].items()
        <= only(manifests, "Pod")["metadata"]["labels"].items()
    )


def test_values_reach_the_pod(helm: Helm) -> None:
    manifests = helm.template(EVERYTHING)
    template = _pod(manifests)
    pod, (container,) = template["spec"], template["spec"]["containers"]
    assert container["image"] == f"registry.example:5000/team/operator@sha256:{'a' * 64}"
    assert pod["serviceAccountName"] == only(manifests, "ServiceAccount")["metadata"]["name"] == "gateways"
    for name in (
        "imagePullSecrets",
        "nodeSelector",
        "tolerations",
        "affinity",
        "topologySpreadConstraints",
        "priorityClassName",
    ):
        assert pod[name] == EVERYTHING[name]
    assert EVERYTHING["podLabels"].items() <= template["metadata"]["labels"].items()
    assert EVERYTHING["podAnnotations"].items() <= template["metadata"]["annotations"].items()
    assert _environment(manifests)["HTTPS_PROXY"] == "http://proxy:3128"
    assert only(manifests, "Pod")["spec"]["imagePullSecrets"] == EVERYTHING["imagePullSecrets"]


def test_a_second_replica_brings_a_budget_and_a_spread(helm: Helm) -> None:
    assert "PodDisruptionBudget" not in kinds(helm.template())
    manifests = helm.template({"replicas": 2})
    assert only(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    (spread,) = _pod(manifests)["spec"]["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert "PodDisruptionBudget" not in kinds(helm.template({"replicas": 2, "podDisruptionBudget": {"enabled": False}}))


def test_what_was_not_asked_for_is_not_made(helm: Helm) -> None:
    assert kinds(helm.template()) == {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Deployment",
        "Pod",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    assert kinds(helm.template(SETS["without-rights"])) == {"CustomResourceDefinition", "Deployment", "Pod", "Service"}


def test_the_test_pod_runs_at_helm_test_alone(helm: Helm) -> None:
    annotations = only(helm.template(), "Pod")["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"


def test_the_network_policy_lets_probes_admin_ports_and_the_api_server_through(helm: Helm) -> None:
    spec = only(helm.template(EVERYTHING), "NetworkPolicy")["spec"]
    (ingress,) = spec["ingress"]
    assert ingress["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert PEER in ingress["from"]
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} == {443, 6443, 8081, 53}


def test_two_releases_share_no_cluster_wide_name(helm: Helm) -> None:
    without = {"crds": {"enabled": False}}
    here = {each["metadata"]["name"] for each in helm.template(without) if "namespace" not in each["metadata"]}
    there = {
        each["metadata"]["name"]
        for each in helm.template(without, namespace="elsewhere")
        if "namespace" not in each["metadata"]
    }
    assert here
    assert not here & there
