"""The four conditions: from findings and pods to what a user reads."""

from __future__ import annotations

from typing import Any

import pytest
from tests.status.outcomes import (
    BINDING,
    CORP,
    LATER,
    NOW,
    POLICY,
    fleet,
    of,
    outcome,
    pod,
    refused,
    revision,
    says,
    secret_missing,
    seen,
    unused,
    words,
)

from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler import ObjectRef
from gateway_operator.compiler.findings import error
from gateway_operator.reconcile.outcome import AutoscalerState, ObjectOutcome
from gateway_operator.reconcile.programmed import Fleet
from gateway_operator.reconcile.status import LONGEST_MESSAGE, Status, attached_status, gateway_status, report

WELL = {
    "Accepted": ("True", "Accepted"),
    "ResolvedRefs": ("True", "ResolvedRefs"),
    "Programmed": ("True", "Programmed"),
    "Ready": ("True", "Ready"),
}


def attached(
    each: ObjectOutcome, *, pods: Fleet | None = None, previous: Status | None = None, now: str = NOW
) -> Status:
    made = report(each, outcome=outcome(each), fleet=pods or fleet(1))
    return attached_status({CORP: made}, previous=previous or {}, now=now)


def gateway(each: ObjectOutcome, *, pods: Fleet | None = None, **more: Any) -> Status:
    return gateway_status(outcome(each, **more), pods or fleet(1), previous={}, now=NOW)


@pytest.mark.parametrize(
    ("seen_as", "pods", "differences"),
    [
        pytest.param(seen(BINDING), fleet(1), {}, id="well"),
        pytest.param(
            seen(BINDING, secret_missing()),
            fleet(1),
            {
                "ResolvedRefs": ("False", "SecretNotFound"),
                "Programmed": ("False", "RefsNotResolved"),
                "Ready": ("False", "SecretNotFound"),
            },
            id="a reference leads nowhere",
        ),
        pytest.param(
            seen(POLICY, refused(POLICY)),
            fleet(1),
            {
                "Accepted": ("False", "PolicyInvalid"),
                "Programmed": ("False", "NotAccepted"),
                "Ready": ("False", "PolicyInvalid"),
            },
            id="refused",
        ),
        pytest.param(
            seen(POLICY, unused(POLICY)), fleet(1), {"Accepted": ("True", "AcceptedWithWarnings")}, id="warnings"
        ),
        pytest.param(
            seen(POLICY, refused(POLICY), unused(POLICY), secret_missing(POLICY)),
            fleet(1),
            {
                "Accepted": ("False", "PolicyInvalid"),
                "ResolvedRefs": ("False", "SecretNotFound"),
                "Programmed": ("False", "NotAccepted"),
                "Ready": ("False", "PolicyInvalid"),
            },
            id="everything at once",
        ),
        pytest.param(
            seen(POLICY),
            fleet(0),
            {"Programmed": ("False", "PodsBehind"), "Ready": ("False", "PodsBehind")},
            id="pods behind",
        ),
        pytest.param(
            seen(POLICY),
            fleet(),
            {"Programmed": ("False", "NoReadyPods"), "Ready": ("False", "NoReadyPods")},
            id="no pods",
        ),
        pytest.param(
            seen(
                POLICY,
                error(POLICY, "spec.gatewayRefs[0]", Reason.GATEWAY_NOT_FOUND, "not there", condition="ResolvedRefs"),
                sequence=None,
            ),
            fleet(),
            {
                "ResolvedRefs": ("False", "GatewayNotFound"),
                "Programmed": ("False", "RefsNotResolved"),
                "Ready": ("False", "GatewayNotFound"),
            },
            id="no such gateway",
        ),
    ],
)
def test_of_an_attached_object(seen_as: ObjectOutcome, pods: Fleet, differences: dict[str, tuple[str, str]]) -> None:
    status = attached(seen_as, pods=pods)
    assert words(status) == WELL | differences
    assert words(status["gateways"][0]) == WELL | differences


def test_the_message_says_the_field_and_what_is_wrong() -> None:
    status = attached(seen(BINDING, secret_missing()))
    wanted = "spec.anthropic.apiKeySecretRef: Secret claude/anthropic does not exist"
    assert of(status, "ResolvedRefs")["message"] == wanted
    assert of(status, "Ready")["message"] == wanted


def test_every_condition_and_the_status_name_the_generation() -> None:
    status = attached(seen(POLICY, generation=4))
    assert status["observedGeneration"] == 4
    assert {each["observedGeneration"] for each in status["conditions"]} == {4}
    assert {each["observedGeneration"] for each in status["gateways"][0]["conditions"]} == {4}


def test_a_long_list_of_findings_is_cut_and_says_how_many_more() -> None:
    findings = [refused(POLICY, f"number {number}") for number in range(20)]
    message = of(attached(seen(POLICY, *findings)), "Accepted")["message"]
    assert "number 7" in message
    assert "number 8" not in message
    assert message.endswith("; and 12 more")


def test_a_message_fits_the_schema_whatever_was_written_in_the_manifest() -> None:
    findings = [refused(POLICY, "x" * 30_000) for _ in range(20)]
    message = of(attached(seen(POLICY, *findings)), "Accepted")["message"]
    assert len(message) == LONGEST_MESSAGE
    assert message.endswith("…; and 12 more")


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    first = attached(seen(POLICY))
    second = attached(seen(POLICY, unused(POLICY), generation=2), pods=fleet(0), previous=first, now=LATER)
    times = {each["type"]: each["lastTransitionTime"] for each in second["conditions"]}
    assert times == {"Accepted": NOW, "ResolvedRefs": NOW, "Programmed": LATER, "Ready": LATER}
    assert times == {each["type"]: each["lastTransitionTime"] for each in second["gateways"][0]["conditions"]}


def test_the_time_before_anybody_looked_is_not_kept() -> None:
    default = {"conditions": [{"type": "Ready", "status": "Unknown", "lastTransitionTime": "1970-01-01T00:00:00Z"}]}
    status = attached_status({CORP: report(seen(POLICY), outcome=outcome(), fleet=fleet(1))}, previous=default, now=NOW)
    assert of(status, "Ready")["lastTransitionTime"] == NOW


def test_the_same_facts_give_the_same_status() -> None:
    first = attached(seen(POLICY))
    assert attached(seen(POLICY), previous=first, now=LATER) == first


def test_the_first_revision_that_holds_the_generation_is_told() -> None:
    assert attached(seen(POLICY, sequence=3), pods=fleet(9))["gateways"][0]["revision"] == revision(3)
    assert "revision" not in attached(seen(POLICY, sequence=None))["gateways"][0]


def test_a_gateway_tells_its_url_its_revision_and_its_pods() -> None:
    starting = pod("new", ready=False, problem="not started yet")
    status = gateway(seen(CORP, sequence=5), pods=fleet(7, 6, unready=[starting]), sequence=7, revision=revision(7))
    assert {name: value for name, value in status.items() if name != "conditions"} == {
        "observedGeneration": 1,
        "url": "https://claude.corp.example",
        "revision": revision(7),
        "replicas": 3,
        "readyReplicas": 2,
        "programmedReplicas": 1,
        "selector": "claude-gateway.dev/gateway=corp",
    }
    assert words(status) == WELL


def test_a_gateway_with_fewer_ready_pods_than_it_should_have_is_not_ready() -> None:
    looping = pod("pod-9", ready=False, problem="CrashLoopBackOff, last exit code 1")
    status = gateway(seen(CORP), pods=fleet(1, unready=[looping]), wanted=2)
    assert words(status) == WELL | {"Ready": ("False", "PodsNotReady")}
    assert of(status, "Ready")["message"] == "1 of 2 pods are ready: pod pod-9: CrashLoopBackOff, last exit code 1"


def test_a_rollout_whose_new_pods_do_not_start_is_told_while_the_old_ones_serve() -> None:
    broken = pod("pod-9", ready=False, problem="ErrImagePull: not found", failing=True)
    status = gateway(seen(CORP), pods=fleet(1, 1, unready=[broken]), wanted=2)
    assert words(status) == WELL | {"Ready": ("False", "PodsNotReady")}
    assert "serve on, but others do not start: pod pod-9: ErrImagePull: not found" in of(status, "Ready")["message"]
    starting = pod("pod-9", ready=False, problem="ContainerCreating")
    assert words(gateway(seen(CORP), pods=fleet(1, 1, unready=[starting]), wanted=2)) == WELL


def test_more_pods_than_wanted_are_no_problem() -> None:
    assert words(gateway(seen(CORP), pods=fleet(1, 1, 1), wanted=2)) == WELL


def test_a_pod_with_a_broken_bundle_is_named_on_the_gateway() -> None:
    status = gateway(seen(CORP, sequence=2), pods=fleet(2, says(1, error="ConfigCorrupt: torn")), sequence=2)
    assert words(status)["Ready"] == ("False", "PodsBehind")
    assert "pod pod-1: ConfigCorrupt: torn" in of(status, "Programmed")["message"]
    assert status["programmedReplicas"] == 1


def test_broken_developer_keys_are_told_of_at_the_gateway_which_stays_accepted() -> None:
    key = ObjectRef("Secret", "claude", "key-bob")
    found = error(key, "sha256", Reason.KEY_INVALID, "is missing")
    status = gateway(seen(CORP), key_findings=(found,))
    assert words(status) == WELL | {"Accepted": ("True", "AcceptedWithWarnings")}
    assert of(status, "Accepted")["message"] == "Secret claude/key-bob: sha256: is missing"


def test_a_metric_that_nobody_serves_is_a_condition_of_its_own_while_it_lasts() -> None:
    problem = AutoscalerState(
        metric_problem="the HPA was unable to compute the replica count: no custom metrics API",
        metric_reason="FailedGetPodsMetric",
    )
    status = gateway(seen(CORP), autoscaler=problem)
    assert words(status) == WELL | {"MetricUnavailable": ("True", "MetricUnavailable")}
    assert "no custom metrics API" in of(status, "MetricUnavailable")["message"]
    assert words(gateway(seen(CORP), autoscaler=AutoscalerState())) == WELL
