"""`make kind-up`, step by step. Scripts stand in for docker, kind, kubectl and helm: they note what they are asked."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.standins.archives import write_archive

from gateway_operator import names

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "cluster" / "kind-up"
PROGRAM = """#!/usr/bin/env bash
echo "${{0##*/}} $*" >> {folder}/calls
{body}
"""
DOCKER = """
case "$1 $2" in
"version "*) [ ! -e {folder}/no-daemon ] ;;
"save --output") cp {folder}/image.tar "$3" ;;
"image inspect")
    [ "$3" != --format ] || {{ echo sha256:0123456789abcdef0123; exit; }}
    echo '[{{"Id": "sha256:00", "RootFS": {{"Layers": []}}}}]' ;;
esac
"""
KIND = """
case "$1 $2" in
"get clusters") cat {folder}/clusters 2> /dev/null || true ;;
"get kubeconfig") echo "a: kubeconfig" ;;
esac
"""
KUBECTL = """
[ "$1" = create ] && echo "made: $*"
case "$*" in *"--filename -") cat > /dev/null ;; esac
exit 0
"""


class Answers(BaseHTTPRequestHandler):
    """The gateway, as the laptop reaches it."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["authorization"].startswith("Bearer cgk_")
        body = json.dumps({"content": [{"type": "text", "text": "It answers."}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


class Machine:
    """A laptop whose programs are ours."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.path = folder / "path"
        self.path.mkdir()
        for name, body in {"docker": DOCKER, "kind": KIND, "kubectl": KUBECTL, "helm": ""}.items():
            script = self.path / name
            script.write_text(PROGRAM.format(folder=folder, body=body.format(folder=folder)))
            script.chmod(0o755)
        write_archive(folder / "image.tar", name="localhost/image:dev")
        config = (ROOT / "kind-config.yaml").read_text()
        assert "hostPort: 8080" in config
        self.config = folder / "kind.yaml"
        self.config.write_text(config.replace("hostPort: 8080", f"hostPort: {port}"))

    def up(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.path}:{os.environ['PATH']}"
        given = {"PATH": path, "KIND_CONFIG": str(self.config), "ANTHROPIC_API_KEY": "", "BASE": "base", **environment}
        return subprocess.run([SCRIPT, *arguments], env=os.environ | given, capture_output=True, text=True, timeout=100)

    def calls(self) -> list[str]:
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Machine(tmp_path, server.server_port)
    server.shutdown()
    server.server_close()
    thread.join()


def steps(calls: list[str], *wanted: str) -> list[str]:
    """The calls that begin with one of these, in their order."""
    return [call for call in calls if call.startswith(wanted)]


@pytest.fixture(autouse=True)
def own_archives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGES_OUT", str(tmp_path / "archives"))


def test_everything_is_made_in_order_and_the_gateway_answers(machine: Machine) -> None:
    done = machine.up()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "It answers." in done.stdout
    assert f"export ANTHROPIC_BASE_URL=http://127.0.0.1:{machine.port}" in done.stdout
    made = steps(machine.calls(), "kind create", "docker build", "kind load", "helm", "kubectl apply", "kubectl wait")
    order = [
        "kind create",
        "docker build",
        "docker build",
        "kind load",
        "helm upgrade",
        "kubectl wait",
        "kubectl apply",
    ]
    assert [" ".join(call.split()[:2]) for call in made[: len(order)]] == order
    assert f"--config {machine.config}" in made[0]
    assert "demo-upstream.yaml" in "".join(made)


def test_a_cluster_that_is_there_is_kept(machine: Machine) -> None:
    (machine.folder / "clusters").write_text("other\nclaude-gateway\n")
    assert machine.up().returncode == 0
    assert not steps(machine.calls(), "kind create")
    assert steps(machine.calls(), "helm upgrade")


def test_with_an_account_the_real_api_answers_and_the_key_is_on_no_command_line(machine: Machine) -> None:
    done = machine.up(ANTHROPIC_API_KEY="sk-ant-canary")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr + "\n".join(machine.calls())
    assert "sk-ant-canary" not in said
    assert "demo-upstream.yaml" not in said


def test_down_deletes_the_cluster(machine: Machine) -> None:
    assert machine.up("--down").returncode == 0
    assert machine.calls() == ["kind delete cluster --name claude-gateway"]


def test_a_stopped_docker_is_said_before_anything_is_made(machine: Machine) -> None:
    (machine.folder / "no-daemon").touch()
    done = machine.up()
    assert done.returncode == 1
    assert "docker's daemon does not answer" in done.stderr
    assert not steps(machine.calls(), "kind create", "helm")


def test_the_service_leads_from_the_mapped_port_to_the_gateways_pods() -> None:
    config = yaml.safe_load((ROOT / "kind-config.yaml").read_text())
    assert (config["kind"], config["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    (mapping,) = config["nodes"][0]["extraPortMappings"]
    service = yaml.safe_load((ROOT / "tests/cluster/kind-service.yaml").read_text())
    (port,) = service["spec"]["ports"]
    assert port["nodePort"] == mapping["containerPort"]
    assert port["targetPort"] == "http"
    assert service["spec"]["selector"] == names.child_labels("corp")
