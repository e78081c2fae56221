"""pytest fixtures that need a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer, running_api_server, running_controllers
from tests.cluster.canaries import leaks
from tests.cluster.programs import API_SERVER, CONTROL_PLANE, BuildError, ensure

CRDS = Path(__file__).parents[2] / "crds"
_built = pytest.StashKey[dict[str, Path] | BuildError]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the chosen tests need before the first of them: a cold build takes longer than a test may."""
    wanted = {fixture for item in session.items for fixture in getattr(item, "fixturenames", ())}
    programs = CONTROL_PLANE if "control_plane" in wanted else API_SERVER if "api_server" in wanted else ()
    if not programs or session.config.option.collectonly:
        return
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    try:
        session.config.stash[_built] = ensure(programs, report=terminal.write_line if terminal else lambda _: None)
    except BuildError as error:
        session.config.stash[_built] = error


def _programs(config: pytest.Config) -> dict[str, Path]:
    programs = config.stash[_built]
    if isinstance(programs, BuildError):
        pytest.fail(f"the API server could not be built: {programs}", pytrace=False)
    return programs


@pytest.fixture(scope="session")
def api_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real kube-apiserver with nothing in it, shared by the whole run."""
    programs = _programs(pytestconfig)
    with running_api_server(etcd=programs["etcd"], kube_apiserver=programs["kube-apiserver"]) as server:
        yield server
        assert leaks(server.client, folder=tmp_path_factory.getbasetemp()) == []


@pytest.fixture(scope="session")
def api(api_server: ApiServer) -> ApiClient:
    """A client of the API server, on which the three CRDs are installed and served."""
    return with_crds(api_server.client)


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Another API server, with the CRDs, an audit log, and the controllers that collect owned objects and make pods."""
    programs = _programs(pytestconfig)
    with running_api_server(etcd=programs["etcd"], kube_apiserver=programs["kube-apiserver"], audit=True) as server:
        with_crds(server.client)
        with running_controllers(server, kube_controller_manager=programs["kube-controller-manager"]):
            yield server
        assert leaks(server.client, folder=tmp_path_factory.getbasetemp()) == []


def with_crds(client: ApiClient) -> ApiClient:
    """The client, once the three CRDs are installed and served."""
    crds = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]
    for crd in crds:
        client.create(crd).accepted()
    for crd in crds:
        eventually(partial(_served, client, crd), within=20, what=f"{crd['metadata']['name']} is served")
    return client


def _served(client: ApiClient, crd: dict[str, Any]) -> bool:
    # `conditions` is null for an instant, and the paths follow the condition after another
    conditions = client.read(crd).get("status", {}).get("conditions") or []
    if not any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions):
        return False
    spec = crd["spec"]
    paths = [f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}" for version in spec["versions"]]
    return all(client.request("GET", path).refusal is None for path in paths)
