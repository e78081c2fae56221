"""What tests of `claude-gateway check` at the clouds share: a directory, what is told of it, and the way out to token
endpoints that stand in."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from tests.local import running
from tests.standins import manifests
from tests.standins.requests_seen import Received
from tests.standins.token_endpoints.server import TokenServer
from tests.standins.upstream import Script, StandInUpstream

SONNET, OPUS = "claude-sonnet-5-5", "claude-opus-5-5"
ALL = [
    (SONNET, "Stream", True),
    (SONNET, "Message", True),
    (SONNET, "CountTokens", True),
    (OPUS, "Stream", True),
    (OPUS, "CountTokens", True),
]
"""The calls of a check that nothing is wrong with."""


def check(directory: Path, *arguments: str, code: int, **variables: str) -> dict[str, Any]:
    """What `-o json` says of the one binding; nothing that is a canary may be in it."""
    result = running.run("check", directory, "-o", "json", *arguments, **variables)
    assert result.returncode == code, result.stdout + result.stderr
    assert "canary" not in result.stdout + result.stderr
    (binding,) = json.loads(result.stdout)["bindings"]
    assert isinstance(binding, dict)
    return binding


def write(directory: Path, *documents: dict[str, Any], gateway: Iterable[dict[str, Any]] = ()) -> Path:
    policy = manifests.policy("everyone", availableModels=[SONNET, OPUS])
    whole = [*(gateway or [manifests.deployment()]), policy, *documents]
    return running.write(directory, {"all.yaml": yaml.safe_dump_all(whole)})


def calls(binding: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(call["model"], call["kind"], call["ok"]) for call in binding["calls"]]


def refuse(upstream: StandInUpstream, answer: bytes) -> None:
    def respond(request: Received) -> Script:
        return [answer]

    upstream.respond = respond


def through(tokens: TokenServer) -> list[dict[str, Any]]:
    """A gateway whose way out leads to the token endpoints, and directly to upstreams on this machine."""
    egress = {
        "proxyURL": tokens.url,
        "noProxy": ["127.0.0.1"],
        "allowLoopback": True,
        "caRef": {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"},
    }
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "ca", "namespace": manifests.NAMESPACE},
        "data": {"ca.crt": tokens.ca_pem},
    }
    return [manifests.deployment(egress=egress), config_map]
