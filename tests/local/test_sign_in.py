"""Sign-ins without a cluster: what is told at the start, and the key that outlives a run."""

import json
import stat
from pathlib import Path

import pytest
from tests.local.running import BINDING, GATEWAY, POLICY, run, up, write

SIGN_IN = """  identity:
    oidc:
      - name: okta
        issuer: https://corp.okta.com
        clientID: 0oa1
        clientSecretRef: {name: okta, key: client-secret}
"""
SECRET = "--secret-env=okta/client-secret=OKTA_SECRET"  # an option
VALUES = {"OKTA_SECRET": "okta-canary"}


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return write(tmp_path / "m", {"gateway.yaml": GATEWAY + SIGN_IN, "binding.yaml": BINDING, "policy.yaml": POLICY})


def signing_key(manifests: Path) -> dict[str, str]:
    path = manifests / ".state" / "signing-key.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def test_people_sign_in_with_what_the_start_tells(manifests: Path) -> None:
    with up(manifests, "--demo", SECRET, **VALUES) as gateway:
        assert gateway.row("sign-in") == "okta → https://corp.okta.com"
        settings = gateway.until("/login").partition("hold ")[2]
        assert json.loads(settings) == {"forceLoginMethod": "gateway", "forceLoginGatewayUrl": gateway.url}
        assert gateway.until("redirect URI").endswith(f" {gateway.url}/oauth/callback")
        assert "okta-canary" not in "\n".join(gateway.lines)


def test_the_key_of_sessions_outlives_a_run(manifests: Path) -> None:
    with up(manifests, "--demo", SECRET, **VALUES):
        first = signing_key(manifests)
    with up(manifests, "--demo", SECRET, **VALUES) as gateway:
        assert signing_key(manifests) == first
        assert first["value"] not in "\n".join(gateway.lines)
    (manifests / ".state" / "signing-key.json").unlink()
    with up(manifests, "--demo", SECRET, **VALUES):
        assert signing_key(manifests)["value"] != first["value"]


@pytest.mark.parametrize("text", ["", "[]", '{"kid": "a", "value": "c2hvcnQ"}', '{"kid": 7, "value": "a"}'])
def test_a_key_that_cannot_be_read_is_told_and_left_alone(manifests: Path, text: str) -> None:
    write(manifests / ".state", {"signing-key.json": text})
    result = run("up", manifests, "--demo", "--listen", "127.0.0.1:0", SECRET, **VALUES)
    assert result.returncode == 1
    assert "delete it: a new one is made, and clients renew their sessions" in result.stderr
    assert (manifests / ".state" / "signing-key.json").read_text() == text


def test_without_sign_ins_there_is_no_key(manifests: Path) -> None:
    write(manifests, {"gateway.yaml": GATEWAY})
    with up(manifests, "--demo") as gateway:
        assert not (manifests / ".state" / "signing-key.json").exists()
        assert not [line for line in gateway.lines if "/login" in line]


def test_an_identity_provider_without_its_secret_is_told(manifests: Path) -> None:
    with up(manifests, "--demo") as gateway:
        told = gateway.until("spec.identity.oidc[0].clientSecretRef")
        assert "Secret claude/okta does not exist; its value may also come from the environment" in told
