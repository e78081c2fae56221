"""Repairs of one child are quick at first and slow when they do not last."""

from __future__ import annotations

from gateway_operator.reconcile.restraint import RECOVERY_SECONDS, REPAIRS, Restraint

SERVICE, INGRESS = ("Service", "corp"), ("Ingress", "corp")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_few_repairs_follow_at_once_and_further_ones_wait() -> None:
    clock = Clock()
    restraint = Restraint(clock=clock)
    restraint.changed(SERVICE, "a")  # the first change to this wish is no repair
    for _ in range(REPAIRS):
        assert restraint.pause(SERVICE, "a") == 0
        restraint.changed(SERVICE, "a")
    assert restraint.pause(SERVICE, "a") == RECOVERY_SECONDS
    clock.now += 2 * RECOVERY_SECONDS / 3
    assert 0 < restraint.pause(SERVICE, "a") < RECOVERY_SECONDS / 2
    clock.now += RECOVERY_SECONDS
    assert restraint.pause(SERVICE, "a") == 0


def test_what_is_wanted_anew_and_other_children_do_not_wait() -> None:
    clock = Clock()
    restraint = Restraint(clock=clock)
    for _ in range(REPAIRS + 1):
        restraint.changed(SERVICE, "a")
    assert restraint.pause(SERVICE, "a") > 0
    assert restraint.pause(SERVICE, "b") == 0
    assert restraint.pause(INGRESS, "a") == 0
    restraint.changed(SERVICE, "b")
    assert restraint.pause(SERVICE, "b") == 0


def test_rest_gives_all_of_them_back_and_no_more() -> None:
    clock = Clock()
    restraint = Restraint(clock=clock)
    for _ in range(REPAIRS + 1):
        restraint.changed(SERVICE, "a")
    clock.now += 1000 * RECOVERY_SECONDS
    for _ in range(REPAIRS):
        assert restraint.pause(SERVICE, "a") == 0
        restraint.changed(SERVICE, "a")
    assert restraint.pause(SERVICE, "a") > 0
