"""Fixtures of the tests that need a whole node. They run inside its namespaces only: see README.md."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.node.canaries import leaks, made_up, operator_metrics, readable
from tests.node.diagnosis import sections
from tests.node.gateways import Gateways, NodeGateway
from tests.node.kubernetes import ADDRESS, Kube, Manifest, reference, state_folder
from tests.node.operators import NAMESPACE, Operator
from tests.node.pod_logs import PodLogs
from tests.standins.anthropic_upstream import AnthropicUpstream

HERE = Path(__file__).parent
_RUN = os.getpid()
"""A namespace takes a while to go, and another run may use the node: no two runs share a name."""
_numbers = count(1)
_namespaces = pytest.StashKey[Iterable[str]]()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Outside of a node there is nothing to run here; who asks for it by name is told how."""
    if state_folder() is not None or not collection_path.is_relative_to(HERE):
        return None
    if any(HERE in (path := Path(argument.partition("::")[0]).resolve(), *path.parents) for argument in config.args):
        raise pytest.UsageError("tests/node runs inside a node: make test-node, or tests/node/run ARGUMENTS OF PYTEST")
    return True


@pytest.fixture(scope="session")
def kube() -> Kube:
    """The node's API server, as its administrator."""
    state = state_folder()
    assert state is not None
    return Kube(state)


@pytest.fixture(scope="session")
def pod_logs() -> Iterator[PodLogs]:
    """What all containers have said since the first test."""
    with PodLogs() as logs:
        yield logs


@pytest.fixture(scope="session")
def installed(kube: Kube, pod_logs: PodLogs) -> Iterator[Operator]:
    """The operator, installed once for all tests. One that changes the installation puts it back (`operator`).

    After the last test: the chart's rights were enough for all of them, and no log, event, status, annotation or metric
    has told a secret.
    """
    operator = Operator(kube)
    operator.install()
    yield operator
    assert [(name, line) for name, line in pod_logs.refused() if name.startswith(NAMESPACE)] == []
    texts = pod_logs.texts("") | readable(kube, NAMESPACE) | operator_metrics(operator.pods())
    assert leaks(texts) == []


@pytest.fixture
def operator(installed: Operator) -> Iterator[Operator]:
    """The operator, for tests that scale, kill or upgrade it: ready before, and put back as the others expect it."""
    installed.wait_ready()
    yield installed
    installed.install()
    installed.wait_ready()


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream(host=ADDRESS) as server:
        yield server


@pytest.fixture
def upstream(shared_upstream: AnthropicUpstream) -> Iterator[AnthropicUpstream]:
    """The Anthropic API, where pods reach it; whatever it finds wrong with a request fails the test."""
    shared_upstream.begin_test()
    yield shared_upstream
    assert shared_upstream.problems == []


@contextmanager
def _namespaces_of(kube: Kube, logs: PodLogs, made: list[str]) -> Iterator[Callable[..., str]]:
    """A maker of namespaces, which go in the end; `made` is filled with their names."""

    def make(**labels: str) -> str:
        name = f"node-test-{_RUN}-{next(_numbers)}"
        manifest = reference("v1", "Namespace", "", name)
        # what the children must live with on a cluster that is taken care of
        manifest["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted", **labels}
        kube.create(manifest).accepted()
        made.append(name)
        return name

    yield make
    found = [leak for name in made for leak in leaks(_said(kube, name, logs), more=made_up(kube, name))]
    for name in made:
        kube.delete(reference("v1", "Namespace", "", name)).accepted()
    assert found == []


def _said(kube: Kube, namespace: str, logs: PodLogs) -> dict[str, str]:
    return readable(kube, namespace) | logs.texts(f"{namespace}_") | logs.texts(f"{NAMESPACE}_")


@pytest.fixture
def namespaces(kube: Kube, pod_logs: PodLogs, request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """`namespaces()`: the name of a new namespace, which goes with the test. `labels`: of the namespace."""
    made: list[str] = []
    request.node.stash[_namespaces] = made
    with _namespaces_of(kube, pod_logs, made) as make:
        yield make


@pytest.fixture
def namespace(namespaces: Callable[..., str]) -> str:
    """A namespace of the test's own."""
    return namespaces()


@pytest.fixture
def gateways(
    kube: Kube, installed: Operator, upstream: AnthropicUpstream, namespaces: Callable[..., str]
) -> Iterator[Gateways]:
    """`gateways()` applies the smallest gateway that answers Alice from `upstream`, and waits until it is ready.

    name: of the gateway. namespace: an existing one; by default a new one. more: manifests beside, as functions of the
    gateway, such as `lambda it: it.policy("few", availableModels=[...])`. ready=False: not waited for. Everything else
    is the GatewayDeployment's `spec`, over `gateways.DEFAULTS`.
    """
    made: list[NodeGateway] = []

    def make(
        name: str = "corp",
        *,
        namespace: str | None = None,
        more: Iterable[Callable[[NodeGateway], Manifest]] = (),
        ready: bool = True,
        **spec: Any,
    ) -> NodeGateway:
        gateway = NodeGateway(kube, namespace or namespaces(), name)
        made.append(gateway)
        besides = [one(gateway) for one in more]
        gateway.apply(*gateway.smallest(upstream, **spec), *besides)
        if ready:
            gateway.wait_ready()
            gateway.wait_reachable()
        return gateway

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def gateway(gateways: Gateways) -> NodeGateway:
    """A gateway of one pod, ready, in a namespace of its own."""
    return gateways()


@pytest.fixture(scope="session")
def _exposed(
    kube: Kube, installed: Operator, pod_logs: PodLogs, shared_upstream: AnthropicUpstream
) -> Iterator[NodeGateway]:
    with _namespaces_of(kube, pod_logs, []) as make:
        gateway = NodeGateway(kube, make(), "corp")
        gateway.apply(*gateway.smallest(shared_upstream, exposure={"type": "Ingress"}))
        gateway.wait_ready()
        gateway.wait_reachable()
        yield gateway
        gateway.close()


@pytest.fixture
def shared_gateway(_exposed: NodeGateway, upstream: AnthropicUpstream, request: pytest.FixtureRequest) -> NodeGateway:
    """One for all tests that change nothing of it, with an Ingress."""
    request.node.stash[_namespaces] = [_exposed.namespace]
    return _exposed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure comes with what the cluster has to say of it."""
    report = yield
    kube = getattr(item, "funcargs", {}).get("kube")
    if report.failed and isinstance(kube, Kube):
        report.sections += sections(kube, item.stash.get(_namespaces, []))
    return report
