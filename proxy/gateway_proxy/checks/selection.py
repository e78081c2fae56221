"""Which models a check tries with which upstream."""

from collections.abc import Collection, Iterable
from itertools import count
from typing import Final, NamedTuple

from gateway_config.contract import Configuration, Model, Policy, Upstream

MODELS_TRIED: Final = 4
"""Of one upstream, where nobody says which ones."""
_FAMILIES: Final = ("haiku", "sonnet", "opus")
"""The cheapest first, by list price; what is none of them, custom models too, comes behind."""


class Selection(NamedTuple):
    """Canonical ids."""

    tried: tuple[str, ...]
    left_out: tuple[str, ...]
    """Served and open to somebody, but not tried."""
    note: str
    """Why these, where that is not plain; else empty."""


def selection(
    configuration: Configuration, upstream: Upstream, *, named: Collection[str], everything: bool
) -> Selection:
    """`named`: canonical ids that somebody asks for; empty: those that a policy opens."""
    served = [model for model in configuration.models if model.id in upstream.models]
    if named:
        tried = tuple(model.id for model in served if model.id in named)
        return Selection(tried, (), "" if tried else "it serves none of the models asked for")
    explicit, open_to_somebody = _open(configuration, upstream, served)
    if not open_to_somebody:
        first = tuple(model.id for model in _cheap_and_new(served)[:1])
        return Selection(first, (), "no policy opens a model of it to anybody" if served else "it serves no model")
    ordered = [*_cheap_and_new(explicit), *_cheap_and_new(one for one in open_to_somebody if one not in explicit)]
    ids = tuple(model.id for model in ordered)
    bound = len(ids) if everything else MODELS_TRIED
    return Selection(ids[:bound], ids[bound:], "")


def _open(configuration: Configuration, upstream: Upstream, served: list[Model]) -> tuple[list[Model], list[Model]]:
    """The models that a policy names, and all that some policy opens by this upstream."""
    policies = [*configuration.policies, *([configuration.base] if configuration.base is not None else [])]
    usable = [policy for policy in policies if _admits(policy, upstream)]
    named = {model for policy in usable for model in policy.models or ()}
    explicit = [model for model in served if model.id in named]
    if any(policy.models is None for policy in usable):
        return explicit, [model for model in served if model.listed or model.id in named]
    return explicit, explicit


def _admits(policy: Policy, upstream: Upstream) -> bool:
    return (
        policy.access == "Allow"
        and policy.invalid is None
        and (policy.upstreams is None or upstream.name in policy.upstreams)
    )


def _cheap_and_new(models: Iterable[Model]) -> list[Model]:
    """The newest of each family first, families from the cheapest on; then the second newest of each."""
    newest = sorted(models, key=lambda model: (model.created_at, model.id), reverse=True)
    ranks = {family: count() for family in (*_FAMILIES, "")}
    placed = []
    for model in newest:
        family = next((name for name in _FAMILIES if name in model.id), "")
        placed.append((next(ranks[family]), [*_FAMILIES, ""].index(family), model))
    return [model for _, _, model in sorted(placed, key=lambda place: place[:2])]
