"""Developers sign in at three pods on Postgres behind one Service and an ingress proxy that ends TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.claude_code import install
from tests.client.managed_machine import ManagedMachine
from tests.client.signing_in import login_of, managed_settings, sign_in
from tests.node.corporations import DEVICE_GRANT, Corporation
from tests.node.corporations import corporation as corporation_of
from tests.node.gateways import Gateways
from tests.node.kubernetes import Kube, eventually
from tests.node.pod_changes import identities, restart, wait_replaced
from tests.standins.anthropic_upstream import AnthropicUpstream

pytestmark = pytest.mark.timeout(400)

PODS = 3
HELLO = "Hello from the upstream."


@pytest.fixture
def corporation(gateways: Gateways, namespace: str, tmp_path: Path) -> Iterator[Corporation]:
    with corporation_of(gateways, namespace, tmp_path, pods=PODS) as made:
        yield made


def test_the_client_signs_in_works_and_is_refused_by_every_pod_once_revoked(
    corporation: Corporation, upstream: AnthropicUpstream, tmp_path: Path
) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    trust = {"NODE_EXTRA_CA_CERTS": str(corporation.authority)}
    machine = ManagedMachine(install(), folder, managed_settings(corporation.url), trust)
    sign_in(machine, corporation.provider, "alice", url=corporation.url, person=corporation.person())

    answer = machine.run("-p", "Say hello", "--model", "claude-sonnet-5-5")
    assert (answer.exit_code, answer.stdout.strip()) == (0, HELLO), answer
    token = login_of(machine)["jwt"]
    assert token not in repr(upstream.last)
    assert corporation.statuses(token) == {200}

    (session,) = corporation.session("list")["data"]
    assert session["email"] == "alice@corp.example"
    assert corporation.session("revoke", "--user", session["user"]) == {"revoked": 1}
    eventually(lambda: corporation.statuses(token) == {401}, within=10, what="every pod refuses the session")
    assert machine.run("-p", "Say hello", "--model", "claude-sonnet-5-5").exit_code != 0


def test_a_sign_in_outlives_the_pods_that_it_began_at(kube: Kube, corporation: Corporation) -> None:
    began = corporation.begin()
    grant = {"grant_type": DEVICE_GRANT, "device_code": began["device_code"]}
    assert corporation.send("/oauth/token", **grant)["error"] == "authorization_pending"

    before = identities(corporation.gateway.pods())
    restart(kube, corporation.gateway)
    wait_replaced(corporation.gateway, before)
    page = corporation.person().open(began["verification_uri"]).submit("Continue", user_code=began["user_code"])

    before = identities(corporation.gateway.pods())
    restart(kube, corporation.gateway)
    wait_replaced(corporation.gateway, before)
    done = corporation.provider.sign_in(page, "bob")
    assert "terminal" in done.text

    tokens = corporation.tokens(began["device_code"])
    assert tokens["email"] == "bob@corp.example"
    corporation.gateway.wait_pods(PODS)
    assert corporation.statuses(tokens["access_token"]) == {200}
    again = corporation.send("/oauth/token", **grant)
    # The same session while the code's grace lasts, on whichever pod; nothing from then on.
    assert again.get("refresh_token", tokens["refresh_token"]) == tokens["refresh_token"]
    assert again.get("error", "invalid_grant") == "invalid_grant"
