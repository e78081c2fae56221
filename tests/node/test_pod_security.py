"""What a proxy's container may and may not do, seen from inside it."""

import pytest
from tests.node.gateways import NodeGateway
from tests.node.kubernetes import CommandFailedError, Kube


def inside(kube: Kube, gateway: NodeGateway, command: str) -> str:
    """What a shell in the gateway's pod says. Raises `CommandFailedError`."""
    (pod,) = gateway.pods()
    return kube.kubectl("-n", gateway.namespace, "exec", pod["metadata"]["name"], "--", "sh", "-c", command)


@pytest.fixture
def gateway(shared_gateway: NodeGateway) -> NodeGateway:
    """In a namespace that takes no pod which breaks the `restricted` standard: that it runs is half of the test."""
    return shared_gateway


def test_a_container_has_no_token_no_rights_and_nowhere_to_write(kube: Kube, gateway: NodeGateway) -> None:
    assert inside(kube, gateway, "ls -A /run/secrets /var/run/secrets 2> /dev/null || true") == ""
    assert inside(kube, gateway, "id -u; id -g").split() == ["65532", "65532"]
    status = dict(
        line.split(":", 1) for line in inside(kube, gateway, "cat /proc/1/status").splitlines() if ":" in line
    )
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    for folder in ("/", "/tmp", "/etc/claude-gateway", "/opt/claude-gateway", "/var/lib"):
        with pytest.raises(CommandFailedError, match=r"Read-only file system|Permission denied"):
            inside(kube, gateway, f"touch {folder}/written")


def test_no_pod_learns_of_the_services_around_it(kube: Kube, gateway: NodeGateway) -> None:
    assert "SERVICE" not in inside(kube, gateway, "env | grep -v ^KUBERNETES_ || true")


def test_the_restricted_standard_takes_every_pod_without_a_warning(kube: Kube, gateway: NodeGateway) -> None:
    events = kube.objects("events.k8s.io/v1", "Event", gateway.namespace)
    assert [event["note"] for event in events if "PodSecurity" in event.get("note", "")] == []
    assert len(gateway.ready_pods()) == 1
