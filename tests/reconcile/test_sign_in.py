"""Sign-ins through a real API server: every value is read by name, admin keys by their type, and pods get them all."""

from __future__ import annotations

import hashlib
import json

from tests.cluster.api_client import ApiClient
from tests.reconcile import world

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.resources import SECRETS

URL = "postgresql://gateway:db-canary@db.corp.example/gateway"
OKTA = {
    "name": "okta",
    "issuer": "https://corp.okta.com",
    "clientID": "0oa1",
    "clientSecretRef": {"name": "okta", "key": "client-secret"},
}
SIGN_IN = {
    "identity": {"oidc": [OKTA]},
    "store": {"type": "Postgres", "postgres": {"urlSecretRef": {"name": "db", "key": "url"}}},
}


async def credentials(operator: world.Operator, namespace: str) -> dict[str, str]:
    raw = await operator.secret(namespace, "corp-credentials")
    found: dict[str, str] = json.loads(raw["credentials.json"])
    return {name: value for name, value in found.items() if not name.startswith("signing.keys/")}


async def test_pods_get_the_values_of_sign_ins(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    api.apply(world.gateway(smallest, **SIGN_IN)).accepted()
    waiting = await operator.reconcile(smallest)
    assert world.reasons(waiting, "GatewayDeployment", "corp") == {"SecretNotFound"}

    api.create(world.secret(smallest, "okta", stringData={"client-secret": "okta-canary"})).accepted()
    api.create(world.secret(smallest, "db", stringData={"url": URL})).accepted()
    outcome = await operator.reconcile(smallest)
    assert world.reasons(outcome, "GatewayDeployment", "corp") == set()
    assert await credentials(operator, smallest) == {
        f"{smallest}/anthropic": world.CANARY,
        "identity.oidc/okta": "okta-canary",
        "store.postgres/url": URL,
    }
    written = await operator.configuration(smallest)
    assert written["store"]["type"] == "Postgres"
    assert [provider["name"] for provider in written["identity_providers"]] == ["okta"]
    assert [key["use"] for key in written["signing_keys"]] == ["Sign"]

    await client.delete(SECRETS, smallest, "db")
    kept = await operator.reconcile(smallest)
    assert world.reasons(kept, "GatewayDeployment", "corp") == {"SecretNotFound"}
    assert kept.revision == outcome.revision, "sessions go on with the store that they are in"


async def test_admin_keys_come_and_go(
    operator: world.Operator, client: KubeClient, api: ApiClient, smallest: str
) -> None:
    digest = hashlib.sha256(b"cga_").hexdigest()
    key = world.secret(
        smallest, "ops", type="claude-gateway.dev/admin-key", stringData={"sha256": digest, "name": "ops@corp.example"}
    )
    key["metadata"]["labels"] = {"claude-gateway.dev/gateway": "corp"}
    api.create(key).accepted()
    await operator.reconcile(smallest)
    (read,) = (await operator.configuration(smallest))["admin_keys"]
    assert (read["name"], read["holder"], read["sha256"]) == (f"{smallest}/ops", "ops@corp.example", digest)

    await client.delete(SECRETS, smallest, "ops")
    await operator.reconcile(smallest)
    assert "admin_keys" not in await operator.configuration(smallest)
