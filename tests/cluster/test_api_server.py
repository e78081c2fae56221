"""The API server of the tests starts beside others, says why it cannot, and never outlives its run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.api_client import eventually
from tests.cluster.api_server import LEASH, ApiServer, StartError, running_api_server
from tests.cluster.programs import API_SERVER, ensure


def _script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_second_server_starts_beside_the_first(api_server: ApiServer) -> None:
    programs = ensure(API_SERVER, report=lambda _: None)
    with running_api_server(etcd=programs["etcd"], kube_apiserver=programs["kube-apiserver"]) as other:
        assert other.url != api_server.url
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "only-here"}}
        other.client.create(made).accepted()
        assert api_server.client.request("GET", "/api/v1/namespaces/only-here").status == 404
    assert not other.logs.exists()


def test_rbac_is_in_force(api_server: ApiServer) -> None:
    answer = api_server.client_of("mallory").request("GET", "/api/v1/secrets")
    assert answer.status == 403


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    etcd = _script(tmp_path / "etcd", f"echo $$ > {tmp_path}/pid; exec sleep 600")
    api = _script(
        tmp_path / "kube-apiserver", f"while [ ! -s {tmp_path}/pid ]; do sleep 0.02; done; echo no luck; exit 7"
    )
    with (
        pytest.raises(StartError, match=r"(?s)kube-apiserver ended with exit code 7.*no luck"),
        running_api_server(etcd=etcd, kube_apiserver=api),
    ):
        pass
    assert not _runs(int((tmp_path / "pid").read_text()))


def test_a_leashed_process_ends_with_a_killed_run(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    child = _script(tmp_path / "child", f"echo $$ > {marker}; exec sleep 600")
    run = f"""
import subprocess, sys, time
process = subprocess.Popen([sys.executable, "-I", {str(LEASH)!r}, {str(child)!r}], stdin=subprocess.PIPE)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", run]) as process:
        eventually(lambda: marker.exists() and marker.read_text().strip(), within=20, what="the child runs")
        process.send_signal(signal.SIGKILL)
    pid = int(marker.read_text())
    eventually(lambda: not _runs(pid), within=20, what="the child has ended")
