"""Deleting a gateway takes with it what the operator made for it, and nothing that users made."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.api_client import eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.examples import Example, as_operator
from tests.control_plane.operator_process import new_namespace, running_operator

COLLECTED_WITHIN = 60.0


def test_a_deleted_gateway_leaves_only_what_users_made(control_plane: ApiServer, tmp_path: Path) -> None:
    api = control_plane.client
    namespace = new_namespace(api, "deleted")
    example, neighbour = Example(api, namespace, "corp").create(), Example(api, namespace, "labs").create()
    with running_operator(as_operator(control_plane), folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        example.wait_for_children()
        neighbour.wait_for_children()
        neighbours = {
            name: (example.live(child) or {})["metadata"]["uid"] for name, child in neighbour.children.items()
        }

        api.delete(example.gateway).accepted()

        eventually(
            lambda: set(example.missing()) == example.children.keys(),
            within=COLLECTED_WITHIN,
            what="the gateway's children are gone",
        )
        example.wait_for(example.policy, "ResolvedRefs", ("False", "GatewayNotFound"))
        assert example.live(example.provider_key) is not None
        assert example.live(example.binding) is not None
        assert neighbour.uids() == neighbours


def test_children_of_a_gateway_deleted_while_no_operator_runs_are_gone_too(
    control_plane: ApiServer, tmp_path: Path
) -> None:
    """No finalizer: whoever uninstalls the operator first can still delete gateways."""
    api = control_plane.client
    namespace = new_namespace(api, "deleted")
    example = Example(api, namespace).create()
    with running_operator(as_operator(control_plane), folder=tmp_path, namespaces=[namespace]) as operator:
        operator.wait_until_synced()
        example.wait_for_children()
    assert "finalizers" not in api.read(example.gateway)["metadata"]

    api.delete(example.gateway).accepted()

    eventually(
        lambda: set(example.missing()) == example.children.keys(),
        within=COLLECTED_WITHIN,
        what="the gateway's children are gone",
    )
    assert example.live(example.gateway) is None
