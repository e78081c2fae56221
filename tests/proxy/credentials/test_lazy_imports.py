"""A cloud's library costs ten megabytes and more: only a gateway that needs one has it in memory."""

import json
import subprocess
import sys
from typing import Any

import pytest
from tests.proxy.configurations import upstream

SCRIPT = """
import asyncio, sys
import gateway_proxy.app
from gateway_config.contract import Egress, Upstream
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.providers import Pools, build

async def main(text, values):
    pools = Pools()
    for line in text.splitlines():
        build(Upstream.model_validate_json(line), values, outbound=Outbound(Egress(), pools), pools=pools)
    pools.close()

asyncio.run(main(sys.argv[1], sys.argv[2:]))
print(*sys.modules)
"""
LIBRARIES = {"botocore", "google.auth", "azure.core", "azure.identity", "msal", "requests", "urllib3", "cryptography"}
VALUE = {"name": "x", "sha256": "0" * 64}


def imported(*credentials: dict[str, Any], provider: str = "Anthropic", value: str = "secret") -> set[str]:
    """The libraries that are there once upstreams with these credentials were built."""
    plain = upstream().model_dump(mode="json")
    lines = "\n".join(json.dumps(plain | {"type": provider, "credential": each}) for each in credentials)
    done = subprocess.run([sys.executable, "-c", SCRIPT, lines, value], check=True, capture_output=True, text=True)
    modules = done.stdout.split()
    return {each for each in LIBRARIES if each in modules}


def test_keys_and_federation_of_the_anthropic_api_need_none() -> None:
    keys = [VALUE | {"kind": kind} for kind in ("ApiKey", "OAuthToken")]
    federated = {
        "kind": "Federated",
        "organization_id": "o",
        "federation_rule_id": "r",
        "service_account_id": "s",
        "token_file": "/t",
    }
    assert imported(*keys, federated) == set()


def test_a_key_of_foundry_needs_none() -> None:
    assert imported(VALUE | {"kind": "ApiKey"}, provider="Foundry") == set()


def test_an_entra_application_needs_azures_alone() -> None:
    found = imported({"kind": "Entra"}, provider="Foundry")
    assert "azure.identity" in found
    assert not {"botocore", "google.auth"} & found


@pytest.mark.parametrize(
    ("module", "call", "needs"),
    [
        ("google", "google_token(GoogleCredential(), (), outbound=None)", "google.auth"),
        ("aws", "aws_credentials(AWSCredential(), (), region='eu-central-1', outbound=None)", "botocore"),
        ("entra", "entra_token(EntraCredential(), (), outbound=None)", "azure.identity"),
    ],
)
def test_a_library_is_there_once_its_credential_was_made(module: str, call: str, needs: str) -> None:
    """So that no request waits for an import, and no fetch on the event loop makes one."""
    script = (
        f"import sys\nfrom gateway_config.contract import *\nfrom gateway_proxy.credentials.{module} import *\n"
        f"before = {needs!r} in sys.modules\n{call}\nprint(before, {needs!r} in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
