"""`claude-gateway-proxy --check`: what a pod is asked for with `kubectl exec`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.standins import manifests
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream

from gateway_config import bundle
from gateway_config.canonical import sha256_hex
from gateway_operator.compiler import Compiled

DEADLINE = 30.0
HAIKU = "claude-haiku-5-5"


@pytest.fixture
def upstream() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server


def compiled(url: str, *names: str) -> Compiled:
    bindings = [manifests.binding(name, url) for name in names]
    policy = manifests.policy("everyone", availableModels=[HAIKU])
    return manifests.compiled([manifests.deployment(), policy, manifests.secret(), *bindings])


def write(directory: Path, found: Compiled) -> Path:
    assert found.configuration is not None
    files = bundle.pack(found.configuration, credentials=found.credentials, sequence=7)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def check(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway_proxy.main", "--config", str(directory), "--check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)


def lines(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_line_for_each_finding(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    result = check(write(tmp_path, compiled(upstream.url, "anthropic")))
    assert (result.returncode, result.stderr) == (0, "")
    begin, *calls, end = lines(result)
    assert begin == {
        "event": "upstream",
        "upstream": "claude/anthropic",
        "models": {HAIKU: HAIKU},
        "left_out": [],
        "note": "",
    }
    assert [(call["kind"], call["ok"], call["status"]) for call in calls] == [
        ("Stream", True, 200),
        ("Message", True, 200),
        ("CountTokens", True, 200),
    ]
    assert end == {"event": "end", "failed": 0}
    assert all(str(each.header("user-agent")).startswith("claude-gateway-check/") for each in upstream.requests)
    assert API_KEY not in result.stdout


def test_a_credential_that_cannot_be_sent_does_not_hide_the_others(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    found = compiled(upstream.url, "broken", "good")
    assert found.configuration is not None
    broken, good = found.configuration.upstreams
    value = "two words"
    credential = broken.credential.model_copy(update={"sha256": sha256_hex(value.encode())})
    broken = broken.model_copy(update={"credential": credential})
    configuration = found.configuration.model_copy(update={"upstreams": (broken, good)})
    credentials = {**found.credentials, "claude/broken": value}
    result = check(write(tmp_path, Compiled(configuration=configuration, credentials=credentials)))
    assert result.returncode == 1
    told = lines(result)
    (unusable,) = [line for line in told if line["event"] == "unusable"]
    assert unusable["upstream"] == "claude/broken"
    assert "is empty or holds characters that no header can carry" in unusable["message"]
    assert value not in result.stdout
    assert [line["ok"] for line in told if line["event"] == "call"] == [True, True, True]


def test_one_model_is_asked_for(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    directory = write(tmp_path, compiled(upstream.url, "anthropic"))
    result = check(directory, "--check-model", "claude-opus-5-5")
    assert {line["model"] for line in lines(result) if line["event"] == "call"} == {"claude-opus-5-5"}
    unknown = check(directory, "--check-model", "nothing")
    assert unknown.returncode == 1
    assert lines(unknown) == [{"event": "model_unknown", "model": "nothing"}, {"event": "end", "failed": 1}]


def test_nothing_to_check(tmp_path: Path) -> None:
    result = check(tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"claude-gateway-proxy: {tmp_path} holds no index.json\n"


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "99999"])
def test_a_time_that_makes_no_sense(tmp_path: Path, seconds: str) -> None:
    result = check(tmp_path, f"--check-seconds={seconds}")
    assert result.returncode == 2
    assert "--check-seconds" in result.stderr
