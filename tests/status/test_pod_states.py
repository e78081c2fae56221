"""What is read of a pod."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_operator import names
from gateway_operator.compiler import ObjectRef
from gateway_operator.reconcile.pods import PodState, PodTable, reduced

CORP = ObjectRef("GatewayDeployment", "claude", "corp")


def manifest(
    name: str = "corp-1",
    *,
    ready: bool = False,
    state: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    restarts: int = 0,
    conditions: list[dict[str, Any]] | None = None,
    phase: str = "Running",
    **metadata: Any,
) -> dict[str, Any]:
    container = {
        "name": "proxy",
        "restartCount": restarts,
        "containerID": f"containerd://{restarts}",
        "state": state or {},
        "lastState": {"terminated": last} if last else {},
    }
    word = "True" if ready else "False"
    return {
        "metadata": {"uid": f"uid-{name}", "name": name, "namespace": "claude", "labels": names.child_labels("corp")}
        | metadata,
        "status": {
            "phase": phase,
            "podIP": "10.0.0.7",
            "conditions": [{"type": "Ready", "status": word}, *(conditions or [])],
            "containerStatuses": [{"name": "sidecar", "state": {"waiting": {"reason": "NotOurs"}}}, container],
        },
    }


def state_of(**given: Any) -> PodState:
    found = reduced(manifest(**given))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param({"ready": True}, "", id="ready"),
        pytest.param(
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting"}},
                "last": {"exitCode": 2, "reason": "Error"},
            },
            "CrashLoopBackOff, last exit code 2",
            id="crash loop",
        ),
        pytest.param(
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "last": {"exitCode": 137, "reason": "OOMKilled"},
            },
            "CrashLoopBackOff, last exit code 137 (OOMKilled)",
            id="out of memory",
        ),
        pytest.param(
            {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}}},
            'CreateContainerConfigError: secret "x" not found',
            id="the kubelet says why",
        ),
        pytest.param({"state": {"terminated": {"exitCode": 0}}}, "the proxy ended, last exit code 0", id="ended"),
        pytest.param({"state": {"running": {}}}, "running, but not ready", id="running"),
        pytest.param(
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient cpu.",
                    }
                ]
            },
            "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
            id="no node",
        ),
        pytest.param({}, "not started yet", id="nothing known"),
    ],
)
def test_the_problem_of_a_pod_is_said_in_words_that_stay(given: dict[str, Any], problem: str) -> None:
    assert state_of(**given).problem == problem


def test_a_problem_is_one_bounded_line() -> None:
    problem = state_of(state={"waiting": {"reason": "Odd", "message": "x\n" * 1000}}).problem
    assert "\n" not in problem
    assert len(problem) <= 300


@pytest.mark.parametrize("given", [{"deletionTimestamp": "2026-11-23T10:00:00Z"}, {"phase": "Failed"}])
def test_a_pod_that_ends_counts_no_more(given: dict[str, Any]) -> None:
    state = state_of(ready=True, **given)
    assert state.terminating
    assert not state.counts


def test_a_restart_in_place_is_another_incarnation() -> None:
    assert state_of(restarts=0).incarnation != state_of(restarts=1).incarnation


@pytest.mark.parametrize("lost", [names.GATEWAY_LABEL, names.MANAGED_BY_LABEL, names.NAME_LABEL])
def test_a_pod_without_one_of_our_labels_is_none_of_ours(lost: str) -> None:
    labels = {name: value for name, value in names.child_labels("corp").items() if name != lost}
    assert reduced(manifest(labels=labels)) is None


def test_the_table_tells_of_changes_that_matter_and_of_no_others() -> None:
    told: list[tuple[bool, bool]] = []
    table = PodTable()
    table.subscribe(lambda before, after: told.append((before is not None, after is not None)))
    table.apply_list([manifest()])
    table.apply_event("MODIFIED", manifest(annotations={names.SEQUENCE_ANNOTATION: "7"}))
    assert told == [(False, True)]
    assert [pod.nudge for pod in table.of(CORP)] == ["7"]
    table.apply_event("MODIFIED", manifest(ready=True))
    table.apply_event("MODIFIED", manifest(ready=True, labels={}))
    assert told == [(False, True), (True, True), (True, False)]
    assert table.of(CORP) == ()


def test_a_list_of_one_namespace_leaves_the_pods_of_another() -> None:
    table = PodTable()
    table.apply_list([manifest()])
    table.apply_list([manifest("lab-1", namespace="lab")])
    assert len(table) == 2
    table.apply_event("DELETED", {"metadata": {"uid": "uid-corp-1", "name": "corp-1"}})
    assert [pod.namespace for pod in table] == ["lab"]


@pytest.mark.parametrize(
    ("given", "failing"),
    [
        pytest.param({"ready": True, "last": {"exitCode": 1}}, False, id="ready again"),
        pytest.param({"state": {"waiting": {"reason": "ContainerCreating"}}}, False, id="being created"),
        pytest.param({"state": {"running": {}}}, False, id="starting"),
        pytest.param({"state": {"waiting": {"reason": "ErrImagePull"}}}, True, id="no image"),
        pytest.param({"state": {"waiting": {"reason": "CreateContainerConfigError"}}}, True, id="cannot be created"),
        pytest.param({"state": {"running": {}}, "last": {"exitCode": 1}}, True, id="running after a crash"),
    ],
)
def test_an_ordinary_start_is_no_failure(given: dict[str, Any], failing: bool) -> None:
    assert state_of(**given).failing is failing
