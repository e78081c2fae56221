"""Spend caps of one caller, as far as manifests give them.

Caps come from all policies that match: one whose entry names users is that user's override, one of the base layer is
everyone's default, any other counts as a group's. For each period the override wins, else the most restrictive group's
(or the least, by the gateway's `groupLimitMode`), else the default. A pool binds besides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gateway_config.contract import Match
from gateway_operator.api.v1alpha1.gateway_policy import LimitScope, SpendLimit
from gateway_operator.compiler.layers import Statement
from gateway_operator.compiler.snapshot import ObjectRef

Kind = Literal["Override", "Group", "Default", "Pool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    period: str
    amount_usd: str
    kind: Kind
    source: ObjectRef
    in_force: bool


def caps_of(matching: Iterable[tuple[Match | None, Statement]], *, mode: str) -> tuple[Cap, ...]:
    """All caps that speak of the caller, those in force marked. `mode`: Min or Max."""
    found = [
        (str(limit.period), _kind(entry, limit), limit.amount_usd, statement.ref)
        for entry, statement in matching
        for limit in statement.spend_limits
    ]
    caps = []
    for period in dict.fromkeys(period for period, *_ in found):
        of_period = [(kind, amount, ref) for each, kind, amount, ref in found if each == period]
        winner = _winner([each for each in of_period if each[0] != "Pool"], mode)
        caps += [
            Cap(period=period, amount_usd=amount, kind=kind, source=ref, in_force=kind == "Pool" or position == winner)
            for position, (kind, amount, ref) in _numbered(of_period)
        ]
    return tuple(caps)


def _kind(entry: Match | None, limit: SpendLimit) -> Kind:
    if limit.scope == LimitScope.POOL:
        return "Pool"
    if entry is None:
        return "Default"
    return "Override" if entry.users else "Group"


def _numbered(caps: Sequence[tuple[Kind, str, ObjectRef]]) -> Iterable[tuple[int, tuple[Kind, str, ObjectRef]]]:
    """Each cap with its position among those that are no pool; a pool's is -1."""
    position = 0
    for cap in caps:
        if cap[0] == "Pool":
            yield -1, cap
        else:
            yield position, cap
            position += 1


def _winner(caps: Sequence[tuple[Kind, str, ObjectRef]], mode: str) -> int | None:
    positions = range(len(caps))
    if overrides := [position for position in positions if caps[position][0] == "Override"]:
        return overrides[0]
    if groups := [position for position in positions if caps[position][0] == "Group"]:
        choose = max if mode == "Max" else min
        return choose(groups, key=lambda position: Decimal(caps[position][1]))
    # Of several base policies the youngest has the last word.
    return positions[-1] if caps else None
