"""Who may reach the pods, how many of them evictions may take, and under which account they run."""

from typing import Any

from tests.children.gateways import made, unwanted

EVERYWHERE = [{"namespaceSelector": {}}]


def _rules(**policy: Any) -> dict[int, Any]:
    """Port → who; None: everyone."""
    spec = made(networkPolicy=policy)["NetworkPolicy/corp"]["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    assert "egress" not in spec
    return {rule["ports"][0]["port"]: rule.get("from") for rule in spec["ingress"]}


def test_the_service_is_open_and_the_admin_port_is_the_operators() -> None:
    rules = _rules()
    assert rules[8080] is None
    assert rules[9090] == EVERYWHERE
    assert rules[8081] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "claude-gateway-system"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "claude-gateway-operator"}},
        }
    ]


def test_peers_as_the_gateway_names_them() -> None:
    ingress = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}},
        "podSelector": {},
    }
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"]}}
    prometheus = {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["prometheus"]}]}}
    rules = _rules(ingressFrom=[ingress, block], metricsFrom=[prometheus])
    assert rules[8080] == [ingress, block]
    assert rules[9090] == [prometheus]


def test_pods_that_serve_tls_are_reached_on_their_port() -> None:
    spec = made(exposure={"tls": {"secretName": "claude-tls"}})["NetworkPolicy/corp"]["spec"]
    assert spec["ingress"][0]["ports"] == [{"port": 8443, "protocol": "TCP"}]


def test_without_a_network_policy() -> None:
    assert "NetworkPolicy/corp" not in made(networkPolicy={"enabled": False})
    assert "NetworkPolicy/corp" in unwanted(networkPolicy={"enabled": False})


def test_the_disruption_budget_never_holds_a_broken_pod() -> None:
    spec = made()["PodDisruptionBudget/corp"]["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert (
        made(disruptionBudget={"maxUnavailable": "25%"})["PodDisruptionBudget/corp"]["spec"]["maxUnavailable"] == "25%"
    )


def test_the_pods_account_has_no_token() -> None:
    children = made()
    assert children["ServiceAccount/corp-proxy"]["automountServiceAccountToken"] is False
    assert children["Deployment/corp"]["spec"]["template"]["spec"]["serviceAccountName"] == "corp-proxy"


def test_an_account_of_somebody_elses() -> None:
    spec = {"podTemplate": {"serviceAccountName": "cloud"}}
    assert not [name for name in made(**spec) if name.startswith("ServiceAccount/")]
    assert unwanted(**spec) >= {"ServiceAccount/corp-proxy"}
    assert "ServiceAccount/cloud" not in unwanted(**spec)


def test_naming_the_account_that_is_made_anyway_keeps_it() -> None:
    spec = {"podTemplate": {"serviceAccountName": "corp-proxy"}}
    assert "ServiceAccount/corp-proxy" in made(**spec)
    assert "ServiceAccount/corp-proxy" not in unwanted(**spec)
