"""What a caller may do under one configuration: which models, by which upstreams, in which order."""

from collections.abc import Callable, Collection, Mapping
from itertools import groupby
from typing import Final, NamedTuple

from gateway_config.contract import Configuration, Model, Policy, RateLimits
from gateway_config.models import ModelNames, listed_models
from gateway_proxy import errors
from gateway_proxy.inference.standing import Binding, Standing
from gateway_proxy.policy.model_list import ModelList
from gateway_proxy.providers import UpstreamClient
from gateway_proxy.telemetry.series import Series

UNLIMITED: Final = RateLimits()
MAX_CACHED_SPELLINGS: Final = 512
"""Per grant. Clients use a handful; someone who invents more only loses the cache for them."""
MAX_MODEL_CHARACTERS: Final = 256
"""Longer names are those of no model, and are not worth normalising."""


class Route(NamedTuple):
    """One upstream to try for a model."""

    client: UpstreamClient
    model: str
    """The id that this upstream knows the model by."""
    series: Series
    standing: Standing


class AllowedModel(NamedTuple):
    id: str
    """Canonical."""
    routes: tuple[Route, ...]
    """By priority, then by name; never empty."""
    tiers: tuple[tuple[Route, ...], ...]
    """The same, those of equal priority together."""


class ModelGrant:
    """A list of models together with the upstreams that may serve them. Policies that grant the same share one."""

    def __init__(
        self,
        *,
        models: Collection[str] | None,
        upstreams: Collection[str] | None,
        configuration: Configuration,
        names: ModelNames,
        clients: Mapping[str, UpstreamClient],
        bindings: Mapping[str, Binding],
        series: Callable[[str, str], Series],
    ) -> None:
        self._names = names
        usable = [one for one in configuration.upstreams if upstreams is None or one.name in upstreams]
        granted = [model for model in configuration.models if models is None or model.id in models]
        self._granted = frozenset(model.id for model in granted)
        self._by_id: dict[str, AllowedModel] = {}
        for model in granted:
            routes = tuple(
                Route(
                    clients[upstream.name],
                    upstream.models[model.id],
                    series(upstream.name, model.id),
                    bindings[upstream.name].standing(model.id),
                )
                for upstream in usable
                if model.id in upstream.models
            )
            if routes:
                tiers = tuple(tuple(equals) for _, equals in groupby(routes, lambda route: route.client.priority))
                self._by_id[model.id] = AllowedModel(model.id, routes, tiers)
        self.allowed_models = tuple(
            model for model in listed_models(configuration.models, models) if model.id in self._by_id
        )
        self.model_list = ModelList(self.allowed_models)
        self._by_spelling = dict(self._by_id)
        self._spelling_bound = len(self._by_id) + MAX_CACHED_SPELLINGS

    def model(self, name: str) -> AllowedModel:
        found = self._by_spelling.get(name)
        if found is not None:
            return found
        canonical = self._names.canonical(name) if len(name) <= MAX_MODEL_CHARACTERS else None
        if canonical is None:
            raise errors.model_unknown(name, self._by_id)
        found = self._by_id.get(canonical)
        if found is None:
            if canonical in self._granted:
                raise errors.model_without_upstream(name)
            raise errors.model_not_allowed(name, self._by_id)
        if len(self._by_spelling) < self._spelling_bound:
            self._by_spelling[name] = found
        return found


class EffectivePolicy:
    """A policy made ready for use. Built at first need and kept as long as its configuration."""

    __slots__ = ("_grant", "model", "policy", "rate_limits")

    def __init__(self, policy: Policy, grant: ModelGrant) -> None:
        self.policy = policy
        self.rate_limits = policy.rate_limits if policy.rate_limits != UNLIMITED else None
        """None: there are none."""
        self._grant = grant
        self.model: Callable[[str], AllowedModel] = grant.model
        """The model a client means by a name; raises GatewayError (400) where it is none, or not the caller's."""

    @property
    def allowed_models(self) -> tuple[Model, ...]:
        """What the model list shows: those with an upstream that serves them, in the catalogue's order."""
        return self._grant.allowed_models

    @property
    def model_list(self) -> ModelList:
        return self._grant.model_list
