"""The pods: what runs in them, with what rights, and where."""

from dataclasses import replace
from typing import Any

import pytest
from tests.children.gateways import SETTINGS, container, gateway, made, of, pod

from gateway_operator.names import child_labels, token_file


def test_the_proxy_is_the_first_container_and_its_ports_have_names() -> None:
    proxy = container()
    assert proxy["name"] == "proxy"
    assert {port["name"]: port["containerPort"] for port in proxy["ports"]} == {
        "http": 8080,
        "metrics": 9090,
        "admin": 8081,
    }
    assert proxy["args"][:4] == [
        "--config",
        "/etc/claude-gateway",
        "--admin-token-file",
        "/etc/claude-gateway/admin-token",
    ]


def test_the_image_is_the_operators_unless_the_gateway_names_one() -> None:
    assert container()["image"] == SETTINGS.image
    assert container(image="registry.example/own:1")["image"] == "registry.example/own:1"
    assert "imagePullPolicy" not in container()
    children = of(gateway(), settings=replace(SETTINGS, image_pull_policy="Never"))
    (deployment,) = [child for child in children.wanted if child["kind"] == "Deployment"]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Never"


def test_no_token_and_no_surroundings_reach_the_process() -> None:
    assert pod()["automountServiceAccountToken"] is False
    assert pod()["enableServiceLinks"] is False


def test_secrets_are_readable_for_the_proxys_group_alone() -> None:
    security = pod()["securityContext"]
    (config,) = pod()["volumes"]
    assert security["fsGroup"] == security["runAsGroup"]
    assert config["projected"]["defaultMode"] == 0o440


def test_the_configuration_is_mounted_with_all_parts_that_there_can_be() -> None:
    sources = [source["secret"] for source in pod()["volumes"][0]["projected"]["sources"]]
    wanted = ["corp-config", *(f"corp-config-{number}" for number in range(1, 8)), "corp-credentials", "corp-signing"]
    assert [source["name"] for source in sources] == wanted
    assert [source["name"] for source in sources if source.get("optional")] == wanted[1:8]
    (mount,) = container()["volumeMounts"]
    assert mount == {"name": "config", "mountPath": "/etc/claude-gateway", "readOnly": True}  # a subPath never changes


def test_session_keys_stay_out_of_the_pods_files() -> None:
    (signing,) = [
        source["secret"]
        for source in pod()["volumes"][0]["projected"]["sources"]
        if source["secret"]["name"] == "corp-signing"
    ]
    assert [item["key"] for item in signing["items"]] == ["admin-token"]


@pytest.mark.parametrize(("drain", "seconds"), [("0s", 15), ("10m", 615), ("1500ms", 17), ("24h", 86415)])
def test_streams_have_their_drain_before_the_kill(drain: str, seconds: int) -> None:
    assert pod(drain=drain)["terminationGracePeriodSeconds"] == seconds


def test_ready_follows_the_configuration_and_alive_does_not() -> None:
    proxy = container()
    assert proxy["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http", "scheme": "HTTP"}
    assert proxy["readinessProbe"]["periodSeconds"] == 2
    for probe in ("startupProbe", "livenessProbe"):
        assert proxy[probe]["httpGet"]["path"] == "/healthz"
    liveness = proxy["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


def test_pods_that_serve_tls() -> None:
    tls = {"exposure": {"tls": {"secretName": "claude-tls"}}}
    proxy = container(**tls)
    assert proxy["ports"][0] == {"name": "https", "containerPort": 8443, "protocol": "TCP"}
    assert proxy["args"][-2:] == ["--tls-dir", "/etc/claude-gateway-tls"]
    assert "0.0.0.0:8443" in proxy["args"]
    assert proxy["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "https", "scheme": "HTTPS"}
    assert proxy["volumeMounts"][1]["mountPath"] == "/etc/claude-gateway-tls"
    volume = pod(**tls)["volumes"][1]["secret"]
    assert (volume["secretName"], volume["defaultMode"]) == ("claude-tls", 0o440)
    assert {item["key"] for item in volume["items"]} == {"tls.crt", "tls.key"}


def test_a_token_for_each_audience_that_bindings_exchange() -> None:
    (deployment,) = [
        child
        for child in of(gateway(), token_audiences=("https://api.anthropic.com", "https://b.example")).wanted
        if child["kind"] == "Deployment"
    ]
    spec = deployment["spec"]["template"]["spec"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "tokens"]
    assert volume["projected"]["defaultMode"] == 0o440
    tokens = [source["serviceAccountToken"] for source in volume["projected"]["sources"]]
    assert [token["audience"] for token in tokens] == ["https://api.anthropic.com", "https://b.example"]
    mounts = spec["containers"][0]["volumeMounts"]
    (mount,) = [each for each in mounts if each["name"] == "tokens"]
    assert mount["readOnly"]
    for token in tokens:
        assert f"{mount['mountPath']}/{token['path']}" == token_file(token["audience"])


def test_without_an_audience_there_is_no_token() -> None:
    assert [each["name"] for each in pod()["volumes"]] == ["config"]


def test_the_volume_of_an_embedded_store() -> None:
    embedded = {"store": {"type": "Embedded"}}
    assert {"name": "state", "persistentVolumeClaim": {"claimName": "corp-state"}} in pod(**embedded)["volumes"]
    assert {"name": "state", "mountPath": "/var/lib/claude-gateway-proxy"} in container(**embedded)["volumeMounts"]
    assert container(**embedded)["args"][-2:] == ["--state-dir", "/var/lib/claude-gateway-proxy"]
    assert "--state-dir" not in container()["args"]


@pytest.mark.parametrize(
    ("asked", "requests", "limits"),
    [
        ({}, {"cpu": "250m", "memory": "256Mi"}, {"memory": "1Gi"}),
        (
            {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
            {"cpu": "500m", "memory": "256Mi"},
            {"memory": "1Gi"},
        ),
        ({"requests": {"cpu": 2}}, {"cpu": "2", "memory": "256Mi"}, {"memory": "1Gi"}),
        ({"requests": {"memory": "4Gi"}}, {"cpu": "250m", "memory": "4Gi"}, {"memory": "4Gi"}),
        ({"limits": {"cpu": "0.1", "memory": "128Mi"}}, {"cpu": "100m", "memory": "128Mi"}, None),
        ({"limits": {"cpu": "2"}}, {"cpu": "250m", "memory": "256Mi"}, {"cpu": "2", "memory": "1Gi"}),
        ({"limits": {}}, {"cpu": "250m", "memory": "256Mi"}, {}),
        ({"requests": {}, "limits": {}}, {}, {}),
    ],
)
def test_resources(asked: dict[str, Any], requests: dict[str, str], limits: dict[str, str] | None) -> None:
    found = container(resources=asked).get("resources", {})
    assert found.get("requests", {}) == requests
    assert found.get("limits", {}) == ({"cpu": "100m", "memory": "128Mi"} if limits is None else limits)


def test_pods_are_spread_over_zones_and_nodes_where_that_is_possible() -> None:
    spread = pod()["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert {each["whenUnsatisfiable"] for each in spread} == {"ScheduleAnyway"}
    assert all(each["labelSelector"]["matchLabels"] == child_labels("corp") for each in spread)
    (preferred,) = pod()["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"


def test_an_own_spread_counts_the_gateways_pods_unless_it_says_others() -> None:
    own = {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    (spread,) = pod(podTemplate={"topologySpreadConstraints": [own]})["topologySpreadConstraints"]
    assert spread == {**own, "labelSelector": {"matchLabels": child_labels("corp")}}
    other = {**own, "labelSelector": {"matchLabels": {"app": "x"}}}
    assert pod(podTemplate={"topologySpreadConstraints": [other]})["topologySpreadConstraints"] == [other]
    assert "topologySpreadConstraints" not in pod(podTemplate={"topologySpreadConstraints": []})


def test_the_pod_template_is_merged_in() -> None:
    template = {
        "labels": {"team": "platform"},
        "annotations": {"corp.example/scrape": "true"},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "rack"}]}},
        "priorityClassName": "critical",
        "serviceAccountName": "claude-cloud",
        "runtimeClassName": "gvisor",
        "imagePullSecrets": [{"name": "registry"}],
        "env": [{"name": "TZ", "value": "UTC"}],
    }
    metadata = made(podTemplate=template)["Deployment/corp"]["spec"]["template"]["metadata"]
    assert metadata["labels"] == {**child_labels("corp"), "team": "platform"}
    assert metadata["annotations"]["corp.example/scrape"] == "true"
    found = pod(podTemplate=template)
    for field in (
        "nodeSelector",
        "tolerations",
        "affinity",
        "priorityClassName",
        "serviceAccountName",
        "runtimeClassName",
        "imagePullSecrets",
    ):
        assert found[field] == template[field], field
    assert found["containers"][0]["env"] == template["env"]


def test_nothing_on_the_template_gets_in_the_way_of_others_annotations() -> None:
    annotations = made()["Deployment/corp"]["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" not in annotations
