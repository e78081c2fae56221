"""helm, kubeconform, and an API server of our own: the chart brings the CRDs that the shared one already has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chart.helm import NAMESPACE, Helm
from tests.cluster.api_server import ApiServer, running_api_server
from tests.cluster.programs import API_SERVER, BuildError, ensure

PROGRAMS = (*API_SERVER, "helm", "kubeconform")
_built = pytest.StashKey[dict[str, Path] | BuildError]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the chosen tests need before the first of them: a cold build takes longer than a test may."""
    needed = any("programs" in getattr(item, "fixturenames", ()) for item in session.items)
    if not needed or session.config.option.collectonly:
        return
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    try:
        session.config.stash[_built] = ensure(PROGRAMS, report=terminal.write_line if terminal else lambda _: None)
    except BuildError as error:
        session.config.stash[_built] = error


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> dict[str, Path]:
    built = pytestconfig.stash[_built]
    if isinstance(built, BuildError):
        pytest.fail(f"a program could not be built: {built}", pytrace=False)
    return built


@pytest.fixture(scope="session")
def helm(programs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Without a cluster."""
    return Helm(program=programs["helm"], folder=tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def empty_cluster(programs: dict[str, Path]) -> Iterator[ApiServer]:
    """A real API server that has never seen the chart; it has no controllers and no nodes."""
    with running_api_server(etcd=programs["etcd"], kube_apiserver=programs["kube-apiserver"]) as server:
        for name in (NAMESPACE, "claude"):
            server.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).accepted()
        yield server


@pytest.fixture(scope="session")
def cluster(programs: dict[str, Path], helm: Helm) -> Iterator[ApiServer]:
    """Another one, with the chart installed twice: for the whole cluster, and in `namespaced` for team-a and team-b."""
    with running_api_server(etcd=programs["etcd"], kube_apiserver=programs["kube-apiserver"]) as server:
        for name in (NAMESPACE, "namespaced", "team-a", "team-b", "claude"):
            server.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).accepted()
        there = Helm(program=helm.program, folder=helm.folder, kubeconfig=server.kubeconfig)
        there.install()
        there.install(
            {"crds": {"enabled": False}, "watch": {"namespaces": ["team-a", "team-b"]}}, namespace="namespaced"
        )
        yield server
