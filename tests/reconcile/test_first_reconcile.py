"""The first look at a gateway makes all that its pods need; the next ones write nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.resources import SECRETS


async def test_the_smallest_gateway_gets_its_children(operator: world.Operator, smallest: str) -> None:
    outcome = await operator.reconcile(smallest)

    assert operator.client.writes == [
        "create Secret corp-signing",
        "apply Secret corp-credentials",
        "apply Secret corp-config",
        "apply ServiceAccount corp-proxy",
        "apply NetworkPolicy corp",
        "apply PodDisruptionBudget corp",
        "apply Service corp",
        "apply Deployment corp",
    ], "the index is the last Secret, and pods are started when all is there"
    assert outcome.sequence == world.NOW
    assert operator.fleet.wanted[outcome.gateway] == world.NOW
    assert outcome.replicas.wanted == 2
    assert outcome.url == "https://claude.corp.example"
    assert not outcome.objects[outcome.gateway].broken
    for seen in outcome.objects.values():
        assert (seen.sequence, seen.revision) == (outcome.sequence, outcome.revision), seen.ref


GATEWAYS = {
    "smallest": {},
    "ingress": {"exposure": {"type": "Ingress", "ingress": {"className": "nginx", "tlsSecretName": "tls"}}},
    "load balancer": {"exposure": {"type": "LoadBalancer", "loadBalancer": {"annotations": {"a.example/b": "c"}}}},
    "tls in the pods": {"exposure": {"type": "ClusterIP", "tls": {"secretName": "tls"}}},
    "autoscaled": {"autoscaling": {"minReplicas": 2, "maxReplicas": 5, "openStreamsPerPod": 100, "cpuUtilization": 70}},
    "embedded store": {"store": {"type": "Embedded"}},
    "pods": {
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1024Mi"}},
        "podTemplate": {
            "labels": {"team": "platform"},
            "annotations": {"example.com/note": "x"},
            "nodeSelector": {"pool": "gateways"},
            "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
            "imagePullSecrets": [{"name": "registry"}],
            "env": [{"name": "SSL_CERT_DIR", "value": "/etc/ssl"}, {"name": "EMPTY"}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]
                    }
                }
            },
        },
    },
    "network": {
        "networkPolicy": {
            "ingressFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}],
        }
    },
}


@pytest.mark.parametrize("spec", GATEWAYS.values(), ids=GATEWAYS)
async def test_what_has_not_changed_is_not_written(
    client: KubeClient, api: ApiClient, smallest: str, spec: dict[str, object]
) -> None:
    api.apply(world.gateway(smallest, **spec)).accepted()
    certificate = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": smallest, "name": "tls"}}
    api.apply({**certificate, "stringData": {"tls.crt": "certificate", "tls.key": "key"}}).accepted()
    operator = world.Operator(client)
    first = await operator.reconcile(smallest)
    assert not first.objects[first.gateway].broken

    second = await operator.reconcile(smallest)
    assert operator.client.writes == []
    assert (second.revision, second.sequence) == (first.revision, first.sequence)

    restarted = world.Operator(client, now=world.NOW + 1000)
    third = await restarted.reconcile(smallest)
    assert restarted.client.writes == []
    assert (third.revision, third.sequence) == (first.revision, first.sequence)


async def test_a_status_is_no_change(operator: world.Operator, api: ApiClient, smallest: str) -> None:
    outcome = await operator.reconcile(smallest)
    written = world.policy(smallest) | {"status": {"observedGeneration": 1, "conditions": []}}
    del written["spec"]
    api.apply(written, subresource="status").accepted()

    again = await operator.reconcile(smallest)
    assert operator.client.writes == []
    (seen,) = (each for each in again.objects.values() if each.ref.kind == "GatewayPolicy")
    assert seen.read_status()["observedGeneration"] == 1
    assert again.sequence == outcome.sequence


async def test_a_new_operator_version_rolls_the_image_and_nothing_else(client: KubeClient, smallest: str) -> None:
    await world.Operator(client).reconcile(smallest)
    newer = world.Operator(client, settings=replace(world.SETTINGS, image="registry.example/proxy:2"))
    await newer.reconcile(smallest)
    assert newer.client.writes == ["apply Deployment corp"]


async def test_a_changed_policy_writes_the_configuration_only(
    operator: world.Operator, api: ApiClient, smallest: str
) -> None:
    before = await operator.reconcile(smallest)
    api.apply(world.policy(smallest, availableModels=["claude-haiku-5-5"])).accepted()
    operator.now += 5
    after = await operator.reconcile(smallest)

    assert operator.client.writes == ["apply Secret corp-config"]
    assert after.sequence is not None
    assert before.sequence is not None
    assert after.sequence > before.sequence
    sequences = {ref.kind: seen.sequence for ref, seen in after.objects.items()}
    assert sequences == {
        "GatewayPolicy": after.sequence,
        "ProviderBinding": before.sequence,
        "GatewayDeployment": before.sequence,
    }, "an object's number is that of the first configuration that holds it"


async def test_a_rotated_credential_is_a_new_revision(operator: world.Operator, api: ApiClient, smallest: str) -> None:
    before = await operator.reconcile(smallest)
    api.apply(world.secret(smallest, stringData={"api-key": "another"})).accepted()
    after = await operator.reconcile(smallest)
    assert after.revision != before.revision
    assert operator.client.writes == ["apply Secret corp-credentials", "apply Secret corp-config"]


async def test_the_number_grows_also_when_the_secret_with_it_is_lost(
    operator: world.Operator, client: KubeClient, smallest: str
) -> None:
    before = await operator.reconcile(smallest)
    await client.delete(SECRETS, smallest, "corp-config")
    restarted = world.Operator(client, now=world.NOW + 60)
    after = await restarted.reconcile(smallest)
    assert before.sequence is not None
    assert after.sequence == world.NOW + 60
    assert after.revision == before.revision
