"""A whole gateway and a whole OpenID provider of others' making, over TLS with a certificate of the house."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import trustme
from tests.oidc_provider import provider as node_provider
from tests.oidc_provider.provider import OpenIDProvider, openid_provider
from tests.standins.gateway import eventually
from tests.standins.manifests import NAMESPACE, Manifest, secret
from tests.standins.raw_client import Response
from tests.standins.sign_in import SignInWorld, Tokens, oidc
from tests.standins.web_person import WebPerson

pytestmark = pytest.mark.timeout(300)
"""The first test may have to install the provider."""


class Corporation(NamedTuple):
    world: SignInWorld
    provider: OpenIDProvider
    trusts: ssl.SSLContext

    def sign_in(self, user: str) -> Tokens:
        device = self.world.begin()
        page = self.world.approve(device, WebPerson(trusts=self.trusts))
        done = self.provider.sign_in(page, user)
        assert done.status == 200, done.text
        assert f"{user}@corp.example" in done.text
        return self.world.redeem(device)

    def refresh(self, tokens: Tokens) -> Response:
        return self.world.refresh(tokens.refresh)


@pytest.fixture(scope="module")
def corporation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corporation]:
    folder: Path = tmp_path_factory.mktemp("corporation")
    authority = trustme.CA()
    pem = folder / "provider.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    trusts = ssl.create_default_context()
    authority.configure_trust(trusts)
    nobody: Any = SimpleNamespace(issuer="https://replaced.example")
    world = SignInWorld(folder / "world", nobody)
    callback = f"{world.url}/oauth/callback"
    with openid_provider(redirect_uri=callback, groups=["engineering"], certificate=pem) as provider:
        ca: Manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "corp-ca", "namespace": NAMESPACE},
            "data": {"ca.crt": authority.cert_pem.bytes().decode()},
        }
        # Without the prompt there is no refresh token: so OpenID Connect Core says of offline_access.
        members = {
            "clientID": node_provider.CLIENT_ID,
            "clientSecretRef": {"name": "whole", "key": "value"},
            "extraAuthParams": {"prompt": "consent"},
            "caRef": {"kind": "ConfigMap", "name": "corp-ca", "key": "ca.crt"},
        }
        identity = {"oidc": [oidc("whole", provider.issuer, **members)]}
        world.load(ca, secret("whole", node_provider.CLIENT_SECRET), identity=identity)
        world.start()
        try:
            eventually(lambda: world.post("/oauth/device_authorization", {}).status == 200, what="the store ready")
            yield Corporation(world, provider, trusts)
        finally:
            for pod in world.pods:
                pod.stop()
    world.gateway.end_test()


def test_somebody_signs_in_works_and_leaves(corporation: Corporation) -> None:
    world = corporation.world
    tokens = corporation.sign_in("alice")
    assert world.models(tokens.access).status == 200
    renewed = corporation.refresh(tokens)
    assert renewed.status == 200
    assert world.models(renewed.json()["access_token"]).status == 200

    corporation.provider.remove("alice")
    out = world.refresh(renewed.json()["refresh_token"])
    assert (out.status, out.json()["error"]) == (401, "invalid_grant")
    refused = world.models(renewed.json()["access_token"])
    assert (refused.status, refused.header("x-should-retry")) == (401, "false")


def test_the_log_holds_nothing_of_what_the_provider_gave(corporation: Corporation) -> None:
    tokens = corporation.sign_in("bob")
    assert corporation.refresh(tokens).status == 200
    written = corporation.world.gateway.log_text() + corporation.world.gateway.audit_text()
    for secret_text in (tokens.access, tokens.refresh, node_provider.CLIENT_SECRET, "eyJ", "code="):
        assert secret_text not in written
