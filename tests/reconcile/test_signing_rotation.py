"""Session signing keys: no pod ever meets a token that it cannot verify, whatever the order of events."""

from __future__ import annotations

import base64
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_operator.reconcile import signing
from gateway_operator.reconcile.signing import Chance, Key, Phase, Record, UnreadableError

ROTATION, TOKEN = 100_000, 3600
START = 1_800_000_000


def chance() -> Chance:
    numbers = itertools.count(1)
    return Chance(
        kid=lambda: f"k{next(numbers)}",
        value=lambda: base64.urlsafe_b64encode(next(numbers).to_bytes(32, "big")).decode().rstrip("="),
    )


def step(record: Record, at: int, *, loaded: bool = True, token_seconds: int = TOKEN) -> Record:
    return signing.advanced(
        record,
        now=START + at,
        rotation_seconds=ROTATION,
        token_seconds=token_seconds,
        loaded=loaded,
        chance=Chance(kid=lambda: f"at{at}", value=chance().value),
    )


def phases(record: Record) -> list[str]:
    return [str(key.phase) for key in record.keys]


def test_a_rotation_from_its_beginning_to_its_end() -> None:
    record = signing.new_record(now=START, token_seconds=TOKEN, chance=chance())
    assert phases(record) == ["Signing"]
    assert step(record, ROTATION - 1) is record, "nothing is due"

    published = step(record, ROTATION)
    assert phases(published) == ["Signing", "Published"]
    assert {key.use for key in published.published()} == {"Sign", "Verify"}
    assert step(published, ROTATION + 50, loaded=False) is published, "a pod does not know it yet"

    promoted = step(published, ROTATION + 60)
    assert phases(promoted) == ["Retired", "Signing"]
    assert step(promoted, ROTATION + 70, loaded=False) is promoted, "a pod may still sign with the old one"

    stopped = step(promoted, ROTATION + 80)
    assert stopped.keys[0].stopped == START + ROTATION + 80
    last = ROTATION + 80 + TOKEN + signing.MARGIN_SECONDS
    assert step(stopped, last - 1) is stopped
    assert phases(step(stopped, last)) == ["Signing"]


def test_a_key_outlives_the_longest_token_that_it_signed() -> None:
    record = signing.new_record(now=START, token_seconds=TOKEN, chance=chance())
    longer = step(record, 10, token_seconds=TOKEN * 10)
    shorter = step(longer, 20, token_seconds=60)
    assert shorter.keys[0].longest_token == TOKEN * 10
    rotated = step(step(step(shorter, ROTATION), ROTATION), ROTATION)
    assert phases(rotated) == ["Retired", "Signing"]
    assert rotated.keys[0].drop_at == START + ROTATION + TOKEN * 10 + signing.MARGIN_SECONDS


def test_no_rotation_begins_before_the_last_one_has_ended_on_every_pod() -> None:
    record = signing.new_record(now=START, token_seconds=TOKEN, chance=chance())
    promoted = step(step(record, ROTATION), ROTATION)
    assert step(promoted, ROTATION * 3, loaded=False) is promoted


def test_when_to_come_again() -> None:
    record = signing.new_record(now=START, token_seconds=TOKEN, chance=chance())

    def wait(record: Record, at: int) -> float:
        return signing.seconds_to_next(record, now=START + at, rotation_seconds=ROTATION)

    assert wait(record, 0) == ROTATION
    published = step(record, ROTATION)
    assert wait(published, ROTATION) == signing.WAIT_SECONDS
    promoted = step(published, ROTATION)
    assert wait(promoted, ROTATION) == signing.WAIT_SECONDS
    stopped = step(promoted, ROTATION)
    assert wait(stopped, ROTATION) == TOKEN + signing.MARGIN_SECONDS


@given(
    steps=st.lists(
        st.tuples(st.integers(-5000, 60_000), st.booleans(), st.sampled_from([60, TOKEN, TOKEN * 24])), max_size=60
    )
)
def test_pods_that_lag_a_step_behind_can_always_verify(steps: list[tuple[int, bool, int]]) -> None:
    """Pods have the present keys or those of the step before, and sign with the one that those name; clocks go back."""
    record = signing.new_record(now=START, token_seconds=TOKEN, chance=chance())
    all_loaded = record
    at = 0
    signed: dict[str, int] = {}
    for seconds, loaded, token_seconds in steps:
        at += seconds
        if loaded:
            all_loaded = record
        now = step(record, at, loaded=loaded, token_seconds=token_seconds)
        assert sum(key.phase is Phase.SIGNING for key in now.keys) == 1
        assert len({key.kid for key in now.keys}) == len(now.keys)
        signers = {key.kid for each in (all_loaded, record) for key in each.keys if key.phase is Phase.SIGNING}
        for known in (all_loaded, record, now):
            assert signers <= {key.kid for key in known.keys}, "some pod signs what another one cannot verify"
        if now is not record and not loaded:
            added = {key.kid for key in now.keys} - {key.kid for key in record.keys}
            assert all(key.phase is not Phase.SIGNING for key in now.keys if key.kid in added)
        for kid in signers:
            signed[kid] = max(signed.get(kid, 0), at)
        record = now


def test_what_is_written_can_be_read() -> None:
    record = signing.new_record(now=START, token_seconds=TOKEN, chance=chance())
    for at in (ROTATION, ROTATION, ROTATION, ROTATION * 2):
        record = step(record, at)
        assert signing.read(signing.written(record)) == record
    state = base64.b64decode(signing.written(record)["state"]).decode()
    for value in (record.admin_token, *(key.value for key in record.keys)):
        assert value not in state
        assert value not in repr(record)


def _damaged() -> dict[str, dict[str, str]]:
    record = signing.new_record(now=START, token_seconds=TOKEN, chance=Chance())
    good = signing.written(record)

    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    (kid,) = (key.kid for key in record.keys)
    two = replace(record, keys=(*record.keys, Key(kid="b", value=record.keys[0].value, phase=Phase.SIGNING, created=1)))
    return {
        "empty": {},
        "no token": {name: value for name, value in good.items() if name != "admin-token"},
        "an empty token": {**good, "admin-token": ""},
        "no state": {name: value for name, value in good.items() if name != "state"},
        "a state that is no JSON": {**good, "state": encoded("{")},
        "a state of another form": {**good, "state": encoded('{"form": 9, "keys": []}')},
        "no keys": {**good, "state": encoded('{"form": 1, "keys": []}')},
        "a key without its value": {name: value for name, value in good.items() if name != f"key-{kid}"},
        "a key that is too short": {**good, f"key-{kid}": encoded("c2hvcnQ")},
        "a key that is not base64": {**good, f"key-{kid}": encoded("é" * 60)},
        "two that sign": signing.written(two),
        "not base64": {**good, "state": "%%%"},
    }


@pytest.mark.parametrize("data", _damaged().values(), ids=_damaged())
def test_what_is_damaged_is_refused_without_a_value(data: dict[str, str]) -> None:
    with pytest.raises(UnreadableError) as refused:
        signing.read(data)
    for name, encoded in data.items():
        if name != "state":
            assert not encoded or base64.b64decode(encoded).decode() not in str(refused.value)


def test_people_are_told_what_became_of_the_keys() -> None:
    record = signing.new_record(now=START, token_seconds=TOKEN, chance=chance())
    assert signing.told(record, record) == ""
    published = step(record, ROTATION)
    assert signing.told(record, published) == f"key at{ROTATION} is published"
    promoted = step(published, ROTATION + 60)
    first, second = (key.kid for key in promoted.keys)
    assert signing.told(published, promoted) == f"key {first} verifies only from now on; key {second} signs from now on"
    assert not any(key.value in signing.told(published, promoted) for key in promoted.keys)
