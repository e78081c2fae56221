"""Programmed: every ready pod has loaded a revision that holds this generation of the object."""

from __future__ import annotations

import pytest
from tests.status.outcomes import CORP, POLICY, fleet, outcome, pod, refused, says, seen, silent

from gateway_operator.api.v1alpha1.conditions import ConditionStatus, Reason
from gateway_operator.reconcile.programmed import Fleet, fleet_of, programmed
from gateway_operator.reconcile.status import ACCEPTED, RESOLVED, report

STARTING = pod("pod-9", ready=False, problem="CrashLoopBackOff, last exit code 1")


@pytest.mark.parametrize(
    ("pods", "reason"),
    [
        pytest.param(fleet(5), Reason.PROGRAMMED, id="the first revision that holds it"),
        pytest.param(fleet(7, 9), Reason.PROGRAMMED, id="newer ones"),
        pytest.param(fleet(5, 4), Reason.PODS_BEHIND, id="one pod has an older one"),
        pytest.param(fleet(5, says(None)), Reason.PODS_BEHIND, id="one pod has none"),
        pytest.param(fleet(5, silent()), Reason.PODS_BEHIND, id="one pod never answered"),
        pytest.param(fleet(5, silent(5)), Reason.PODS_BEHIND, id="one pod does not answer any more"),
        pytest.param(fleet(5, None), Reason.PODS_BEHIND, id="one pod could not be asked"),
        pytest.param(fleet(5, unready=[STARTING]), Reason.PROGRAMMED, id="a pod that is not ready gets no requests"),
        pytest.param(fleet(unready=[STARTING]), Reason.NO_READY_PODS, id="no pod is ready"),
        pytest.param(fleet(), Reason.NO_READY_PODS, id="no pod at all"),
    ],
)
def test_follows_what_the_pods_say(pods: Fleet, reason: Reason) -> None:
    verdict = programmed(5, accepted=ACCEPTED, resolved=RESOLVED, outcome=outcome(), fleet=pods)
    assert verdict.reason == reason
    assert verdict.holds == (reason is Reason.PROGRAMMED)


def test_a_pod_that_is_ending_counts_no_more() -> None:
    ending = pod("old", terminating=True)
    pods = fleet_of([pod("new"), ending], {"uid-new": says(5), "uid-old": says(1)})
    assert pods.loaded == 5
    assert pods.existing == 1


@pytest.mark.parametrize(
    ("pods", "message"),
    [
        (fleet(5, 4), "1 of 2 ready pods have not loaded it: pod pod-1 still has an older one"),
        (
            fleet(says(4, error="ConfigCorrupt: part-0 is torn")),
            "1 of 1 ready pods have not loaded it: pod pod-0: ConfigCorrupt: part-0 is torn",
        ),
        (
            fleet(silent()),
            "1 of 1 ready pods have not loaded it: pod pod-0 does not say what it has loaded: no answer within 1 s",
        ),
        (fleet(unready=[STARTING]), "no pod of the gateway is ready: pod pod-9: CrashLoopBackOff, last exit code 1"),
        (fleet(), "the gateway has no pod"),
    ],
)
def test_the_message_names_the_pods_and_what_is_wrong_with_them(pods: Fleet, message: str) -> None:
    assert programmed(5, accepted=ACCEPTED, resolved=RESOLVED, outcome=outcome(), fleet=pods).message == message


def test_a_message_names_a_few_pods_only() -> None:
    verdict = programmed(5, accepted=ACCEPTED, resolved=RESOLVED, outcome=outcome(), fleet=fleet(*[4] * 50))
    assert verdict.message.startswith("50 of 50 ready pods")
    assert verdict.message.endswith("; and 47 more")


def test_what_no_configuration_holds_is_not_programmed() -> None:
    found = report(seen(POLICY, sequence=None), outcome=outcome(), fleet=fleet(9)).conditions.programmed
    assert (found.status, found.reason) == (ConditionStatus.FALSE, Reason.NOT_WRITTEN)


def test_a_broken_gateway_is_why_its_objects_are_not_programmed() -> None:
    broken = outcome(seen(CORP, refused(CORP), sequence=None))
    found = report(seen(POLICY, sequence=None), outcome=broken, fleet=fleet(9)).conditions.programmed
    assert found.reason == Reason.GATEWAY_NOT_ACCEPTED
    assert "GatewayDeployment claude/corp" in found.message


def test_what_the_pods_hold_stays_programmed_while_the_gateway_is_broken() -> None:
    broken = outcome(seen(CORP, refused(CORP), sequence=None))
    assert report(seen(POLICY, sequence=3), outcome=broken, fleet=fleet(9)).conditions.programmed.holds
