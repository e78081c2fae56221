"""Identity providers and workload issuers of a configuration: kept over reloads, and paid for only where used."""

import subprocess
import sys
from typing import Any

import pytest
from tests.proxy.configurations import UPSTREAM_KEY, configuration, files, sha256

from gateway_config import bundle
from gateway_config.contract import Egress, GoogleGroups, IdentityProvider, WorkloadIssuer, WorkloadRule
from gateway_config.parts import Value
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.providers import Pools
from gateway_proxy.telemetry.metrics import Metrics


def provider(name: str = "okta", *, secret: str = "secret-1", **members: Any) -> IdentityProvider:
    value = Value(name="identity.oidc/okta", sha256=sha256(secret))
    given = {"issuer": f"https://{name}.example", "client_id": "gateway", "client_secret": value}
    return IdentityProvider(name=name, **given | members)


ISSUER = WorkloadIssuer(
    name="github",
    issuer="https://token.actions.githubusercontent.com",
    audience="https://claude.corp.example",
    rules=(WorkloadRule(match={"repository_owner": "corp"}, user="ci:{repository}"),),
)


class Loader:
    """Loads one configuration after another, as the watcher does."""

    def __init__(self) -> None:
        self.pools = Pools()
        self.current: LiveConfiguration | None = None

    def load(self, *providers: IdentityProvider, google: str = "", **members: Any) -> LiveConfiguration:
        compiled = configuration(identity_providers=providers, **members)
        index = bundle.Index.model_validate_json(files(configuration())[bundle.INDEX_FILE])
        credentials = {"anthropic": UPSTREAM_KEY, "identity.oidc/okta": "secret", "google": google}
        loaded = bundle.Bundle(index=index, configuration=compiled, credentials=credentials)
        self.current = LiveConfiguration(loaded, pools=self.pools, series=Metrics().series, previous=self.current)
        return self.current


async def test_unchanged_ones_keep_what_they_have_fetched() -> None:
    loader = Loader()
    before = loader.load(provider("okta"), provider("entra"), workload_issuers=(ISSUER,))
    assert list(before.identity_providers) == ["okta", "entra"]
    after = loader.load(provider("entra", scopes=("openid",)), provider("okta"), workload_issuers=(ISSUER,), base=None)
    assert list(after.identity_providers) == ["entra", "okta"]
    assert after.identity_providers["okta"] is before.identity_providers["okta"]
    assert after.identity_providers["entra"] is not before.identity_providers["entra"]
    assert after._workloads is not None
    assert before._workloads is not None
    assert after._workloads._sources == before._workloads._sources


@pytest.mark.parametrize(
    "changed", [{"secret": "secret-2"}, {"issuer": "https://other.example"}, {"ca_pem": "PEM"}, {"use_proxy": False}]
)
async def test_a_changed_one_is_made_anew(changed: dict[str, Any]) -> None:
    loader = Loader()
    before = loader.load(provider())
    assert loader.load(provider(**changed)).identity_providers["okta"] is not before.identity_providers["okta"]


async def test_another_way_out_is_another_client() -> None:
    loader = Loader()
    before = loader.load(provider(), workload_issuers=(ISSUER,))
    after = loader.load(provider(), workload_issuers=(ISSUER,), egress=Egress(no_proxy=("other",)))
    assert after.identity_providers["okta"] is not before.identity_providers["okta"]
    assert after._workloads is not None
    assert before._workloads is not None
    assert after._workloads._sources != before._workloads._sources


async def test_a_key_that_cannot_be_read_keeps_the_configuration_out() -> None:
    google = GoogleGroups(service_account=Value(name="google", sha256=sha256("no key")), admin_email="a@corp.example")
    with pytest.raises(ValueError, match="identity provider okta: the service account's key") as caught:
        Loader().load(provider(google_groups=google), google='{"client_email": "canary"}')
    assert "canary" not in str(caught.value)


async def test_a_gateway_without_them_has_none() -> None:
    live = Loader().load()
    assert live.identity_providers == {}
    assert live._workloads is None


def test_a_pod_without_them_does_not_import_their_library() -> None:
    script = "import gateway_proxy.app, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert not {"joserfc", "cryptography"} & set(done.stdout.split())
