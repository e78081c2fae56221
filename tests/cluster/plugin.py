"""pytest fixtures that need a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer, running_api_server
from tests.cluster.programs import API_SERVER, BuildError, ensure

CRDS = Path(__file__).parents[2] / "crds"
_built = pytest.StashKey[dict[str, Path] | BuildError]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the chosen tests need before the first of them: a cold build takes longer than a test may."""
    needed = any("api_server" in getattr(item, "fixturenames", ()) for item in session.items)
    if not needed or session.config.option.collectonly:
        return
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    try:
        session.config.stash[_built] = ensure(API_SERVER, report=terminal.write_line if terminal else lambda _: None)
    except BuildError as error:
        session.config.stash[_built] = error


@pytest.fixture(scope="session")
def api_server(pytestconfig: pytest.Config) -> Iterator[ApiServer]:
    """A real kube-apiserver with nothing in it, shared by the whole run."""
    programs = pytestconfig.stash[_built]
    if isinstance(programs, BuildError):
        pytest.fail(f"the API server could not be built: {programs}", pytrace=False)
    with running_api_server(etcd=programs["etcd"], kube_apiserver=programs["kube-apiserver"]) as server:
        yield server


@pytest.fixture(scope="session")
def api(api_server: ApiServer) -> ApiClient:
    """A client of the API server, on which the three CRDs are installed and served."""
    client = api_server.client
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
