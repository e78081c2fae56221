"""What is applied is in force on every pod, soon and without a restart; `make bench` says how soon."""

from tests.node.gateways import Gateways, on_every_pod
from tests.node.kubernetes import Kube, Manifest, eventually
from tests.node.traffic import NewConnections
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream, Script
from tests.standins.gateway import ALICE
from tests.standins.requests_seen import Expected, Received

PODS = 3
WITHIN = 30.0
NEW_KEY = "sk-ant-api03-rotated-canary-77d0"


def lives(pods: list[Manifest]) -> set[tuple[str, int]]:
    """Pods and how often their containers were restarted."""
    return {
        (pod["metadata"]["uid"], sum(status["restartCount"] for status in pod["status"]["containerStatuses"]))
        for pod in pods
    }


def test_a_policy_is_enforced_on_every_pod_and_taken_back(kube: Kube, gateways: Gateways) -> None:
    gateway = gateways(replicas=PODS)
    before = lives(gateway.wait_pods(PODS))
    closed = gateway.policy(
        "no-sonnet", priority=10, matches=[{"users": [ALICE]}], availableModels=["claude-haiku-5-5"]
    )
    for _ in range(3):
        gateway.apply(closed)
        gateway.wait_programmed(closed)
        assert on_every_pod(gateway, lambda answer: answer.status == 400)
        kube.delete(closed).accepted()
        eventually(
            lambda: on_every_pod(gateway, lambda answer: answer.status == 200), within=WITHIN, what="open on every pod"
        )
    assert lives(gateway.pods()) == before


def test_a_rotated_credential_is_used_by_every_pod_and_no_request_fails(
    kube: Kube, gateways: Gateways, upstream: AnthropicUpstream
) -> None:
    def tell_credential(request: Received) -> Script:
        return [framing.json_answer(messages.message(messages.text(str(request.header("x-api-key")))))]

    gateway = gateways(replicas=PODS)
    before = lives(gateway.wait_pods(PODS))
    upstream.respond = tell_credential
    upstream.expected = [Expected.api_key(API_KEY), Expected.api_key(NEW_KEY)]
    with NewConnections(gateway, per_second=20) as connections:
        for key in (NEW_KEY, API_KEY):
            gateway.apply(gateway.secret(value=key))
            eventually(
                lambda key=key: on_every_pod(gateway, lambda answer: key.encode() in answer.body),  # type: ignore[misc]
                within=WITHIN,
                what="every pod uses the new credential",
            )
    assert (dict(connections.refused), dict(connections.failed)) == ({}, {})
    assert connections.answered > 0
    assert lives(gateway.pods()) == before
