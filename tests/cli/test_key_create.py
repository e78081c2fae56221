"""`claude-gateway key create`: a manifest for the cluster, a key for the developer."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tests.local import running
from tests.local.running import SMALLEST, ask, up, write

CREATE = ("key", "create")


def created(*arguments: str) -> tuple[dict[str, object], str]:
    result = running.run(*CREATE, *arguments)
    assert result.returncode == 0, result.stderr
    manifest = yaml.safe_load(result.stdout)
    assert isinstance(manifest, dict)
    return manifest, result.stderr.strip()


def test_the_manifest_holds_the_hash_and_the_key_is_shown_once() -> None:
    arguments = ("alice@corp.example", "--group", "engineering", "--group", "platform")
    manifest, key = created(*arguments, "--gateway", "corp", "--namespace", "claude")
    assert re.fullmatch(r"cgk_[A-Za-z0-9_-]{43}", key)
    assert manifest == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "key-alice",
            "namespace": "claude",
            "labels": {"claude-gateway.dev/gateway": "corp"},
        },
        "type": "claude-gateway.dev/developer-key",
        "stringData": {
            "sha256": hashlib.sha256(key.encode()).hexdigest(),
            "user": "alice@corp.example",
            "groups": "engineering\nplatform\n",
        },
    }


def test_the_key_opens_a_running_gateway(tmp_path: Path) -> None:
    manifests = write(tmp_path / "m", SMALLEST)
    with up(manifests, "--demo") as gateway:
        result = running.run(
            *CREATE, "alice@corp.example", "--gateway", "corp", "--namespace", "claude", "--expires", "1h"
        )
        key = result.stderr.strip()
        assert ask(gateway.port, key)[0] == 401
        write(manifests, {"key-alice.yaml": result.stdout})
        gateway.until("1 key,")
        assert ask(gateway.port, key)[0] == 200


def test_an_expiry() -> None:
    manifest, _ = created("ci", "--gateway", "corp", "--expires", "90d")
    data = manifest["stringData"]
    assert isinstance(data, dict)
    expires = datetime.fromisoformat(str(data["expires"]))
    assert abs(expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=5)
    manifest, _ = created("ci", "--gateway", "corp", "--expires", "2099-06-01T02:00:00+02:00")
    assert "2099-06-01T00:00:00Z" in str(manifest)
    assert "namespace" not in str(manifest["metadata"])
    manifest, _ = created("ci", "--gateway", "corp", "--expires", "2099-06-01")
    assert "2099-06-01T00:00:00Z" in str(manifest)


@pytest.mark.parametrize("user", ["yes", "12345", "null", "ä ö", "a: b", "#x", '"', "o'neill@corp.example", "*x", "~"])
def test_a_user_of_any_spelling_comes_back_the_same(user: str) -> None:
    manifest, _ = created(user, "--gateway", "corp", "--group", user)
    data = manifest["stringData"]
    assert isinstance(data, dict)
    assert (data["user"], data["groups"]) == (user, f"{user}\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a", "--gateway", "Corp"], "--gateway 'Corp': a gateway's name is"),
        (["a", "--gateway", "x" * 53], "at most 52"),
        (["a", "--gateway", "corp", "--namespace", "a/b"], "--namespace 'a/b' is not"),
        (["a", "--gateway", "corp", "--name", "A"], "--name 'A': lower-case"),
        (["a", "--gateway", "corp", "--expires", "soon"], "--expires soon: write a period such as 90d"),
        (["a", "--gateway", "corp", "--expires", "2099-01-01T00:00:00"], "the time zone is missing"),
        (["a", "--gateway", "corp", "--expires", "2020-01-01T00:00:00Z"], "lies in the past"),
        (["a", "--gateway", "corp", "--expires", "0d"], "lies in the past"),
        (["a", "--gateway", "corp", "--expires", "999999w"], "write a period"),
        ([" ", "--gateway", "corp"], "USER ' ': is empty"),
        (["a", "--gateway", "1corp"], "a letter first"),
        (["a", "--gateway", "corp", "--expires", "2020-01-01"], "lies in the past"),
        (["a", "--gateway", "corp", "--expires", "2099-02-30"], "write a period such as 90d"),
        (["a\nb", "--gateway", "corp"], "none of them control or invisible ones"),
        (["a\u200bb", "--gateway", "corp"], "USER 'a\\u200bb': at most 256"),
        (["a\udcff", "--gateway", "corp"], "USER 'a\\udcff': at most 256"),
        (["a", "--gateway", "corp", "--group", "b\nc"], "--group 'b\\nc'"),
    ],
)
def test_what_cannot_be_a_key(arguments: list[str], told: str) -> None:
    result = running.run(*CREATE, *arguments)
    assert result.returncode == 1
    assert result.stdout == ""
    lines = running.lines_of(result.stderr)
    assert len(lines) == 1
    assert told in lines[0]
    assert "cgk_" not in result.stderr


def test_an_admin_key() -> None:
    manifest, key = created("ops@corp.example", "--admin", "--gateway", "corp", "--expires", "2099-06-01")
    assert re.fullmatch(r"cga_[A-Za-z0-9_-]{43}", key)
    assert manifest == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "admin-key-ops", "labels": {"claude-gateway.dev/gateway": "corp"}},
        "type": "claude-gateway.dev/admin-key",
        "stringData": {
            "sha256": hashlib.sha256(key.encode()).hexdigest(),
            "name": "ops@corp.example",
            "expires": "2099-06-01T00:00:00Z",
        },
    }


def test_an_admin_key_has_no_groups() -> None:
    result = running.run(*CREATE, "ops", "--admin", "--gateway", "corp", "--group", "finance")
    assert result.returncode == 2
    assert result.stderr.startswith("error: --group: an admin key has no groups")
