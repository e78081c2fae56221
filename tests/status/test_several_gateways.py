"""An object that names several gateways: a report for each, and the summary above them."""

from __future__ import annotations

from tests.status.outcomes import CORP, LAB, LATER, NOW, POLICY, fleet, of, outcome, refused, seen, unused, words

from gateway_operator.reconcile.outcome import ObjectOutcome
from gateway_operator.reconcile.programmed import Fleet
from gateway_operator.reconcile.status import PENDING_REPORT, Report, attached_status, report, report_of_entry


def at(each: ObjectOutcome, pods: Fleet) -> Report:
    return report(each, outcome=outcome(each), fleet=pods)


WELL = at(seen(POLICY), fleet(1))


def test_well_everywhere_is_well() -> None:
    status = attached_status({CORP: WELL, LAB: WELL}, previous={}, now=NOW)
    assert words(status)["Ready"] == ("True", "Ready")
    assert [(entry["namespace"], entry["name"]) for entry in status["gateways"]] == [("claude", "corp"), ("lab", "lab")]


def test_the_first_gateway_that_fails_is_named() -> None:
    status = attached_status({CORP: WELL, LAB: at(seen(POLICY), fleet())}, previous={}, now=NOW)
    assert words(status)["Programmed"] == ("False", "NoReadyPods")
    assert of(status, "Programmed")["message"] == "gateway lab/lab: the gateway has no pod"
    assert words(status["gateways"][0])["Programmed"] == ("True", "Programmed")


def test_a_gateway_that_has_not_looked_yet_leaves_the_summary_open() -> None:
    status = attached_status({CORP: WELL, LAB: PENDING_REPORT}, previous={}, now=NOW)
    assert words(status)["Ready"] == ("Unknown", "Pending")
    assert words(status["gateways"][1])["Ready"] == ("Unknown", "Pending")


def test_false_somewhere_outweighs_what_is_not_known() -> None:
    broken = at(seen(POLICY, refused(POLICY)), fleet(1))
    status = attached_status({CORP: PENDING_REPORT, LAB: broken}, previous={}, now=NOW)
    assert words(status)["Accepted"] == ("False", "PolicyInvalid")


def test_the_summary_speaks_of_the_generation_that_every_gateway_has_seen() -> None:
    newer = at(seen(POLICY, generation=5), fleet(1))
    older = at(seen(POLICY, generation=4), fleet(1))
    status = attached_status({CORP: newer, LAB: older}, previous={}, now=NOW)
    assert status["observedGeneration"] == 4
    assert {each["observedGeneration"] for each in status["conditions"]} == {4}


def test_warnings_of_one_gateway_are_told() -> None:
    warned = at(seen(POLICY, unused(POLICY)), fleet(1))
    status = attached_status({CORP: WELL, LAB: warned}, previous={}, now=NOW)
    assert words(status)["Accepted"] == ("True", "AcceptedWithWarnings")
    assert of(status, "Accepted")["message"].startswith("gateway lab/lab: spec.rateLimits")


def test_a_report_can_be_read_back_from_the_status() -> None:
    status = attached_status({CORP: WELL, LAB: at(seen(POLICY), fleet())}, previous={}, now=NOW)
    again = {gateway: report_of_entry(entry) for gateway, entry in zip((CORP, LAB), status["gateways"], strict=True)}
    assert attached_status(again, previous=status, now=LATER) == status
