"""A configuration ready to serve: everything that a request looks up is made here, once a load."""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from gateway_config.bundle import Bundle
from gateway_config.callers import PolicyIndex
from gateway_config.contract import Configuration, Policy, Upstream
from gateway_config.models import ModelNames
from gateway_config.upstream_credentials import values_of
from gateway_proxy import errors
from gateway_proxy.access.addresses import AddressRules
from gateway_proxy.identity.authentication import Authentication
from gateway_proxy.identity.credentials import Recogniser
from gateway_proxy.identity.developer_keys import DeveloperKeys
from gateway_proxy.identity.principal import Principal
from gateway_proxy.identity.sessions.feed import RevocationFeed
from gateway_proxy.identity.sessions.known import KnownSessions
from gateway_proxy.identity.sessions.signing import SigningKeys
from gateway_proxy.identity.sessions.tokens import SessionTokens
from gateway_proxy.inference.standing import Binding
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.policy.effective import EffectivePolicy, ModelGrant
from gateway_proxy.policy.settings_document import SettingsDocuments
from gateway_proxy.providers import Pools, UpstreamClient, build
from gateway_proxy.store.stores import BuiltStore, Stores
from gateway_proxy.telemetry.relay.relay import Collector
from gateway_proxy.telemetry.series import Series

if TYPE_CHECKING:
    from gateway_proxy.identity.oidc.client import IdentityProviderClient
    from gateway_proxy.identity.workloads import WorkloadTokens


class _Built(NamedTuple):
    """A client and its standing, and what they were built from: `values` are those of the credentials file."""

    upstream: Upstream
    values: tuple[str, ...]
    client: UpstreamClient
    binding: Binding


class LiveConfiguration:
    """One loaded revision. Requests hold the one they began with; a reload swaps which one new requests get.

    Made in a thread; from then on used on the event loop alone.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        pools: Pools,
        series: Callable[[str, str], Series],
        stores: Stores | None = None,
        previous: "LiveConfiguration | None" = None,
        revoked: Collection[str] = frozenset(),
        feed: RevocationFeed | None = None,
    ) -> None:
        """`revoked`: ids of sessions that have been ended, of the whole process, and `feed` what brings them."""
        configuration = bundle.configuration
        self.configuration: Configuration = configuration
        self.revision: str = bundle.index.revision
        self.sequence: int = bundle.index.sequence
        self.addresses = AddressRules(configuration.clients)
        self.names = ModelNames(configuration.models)
        self.settings = SettingsDocuments(configuration)
        self.outbound: Outbound = (
            previous.outbound
            if previous is not None and previous.outbound.egress == configuration.egress
            else Outbound(configuration.egress, pools)
        )
        """For requests of the gateway's own."""
        self.collectors = tuple(
            Collector(
                destination, {name: bundle.credentials[value.name] for name, value in destination.headers.items()}
            )
            for destination in configuration.telemetry.destinations
        )
        self.built_store: BuiltStore | None = None
        if stores is not None:
            self.built_store = stores.built(bundle, previous.built_store if previous is not None else None)
        self._built = _clients(bundle, outbound=self.outbound, pools=pools, previous=previous)
        self.upstreams: tuple[UpstreamClient, ...] = tuple(built.client for built in self._built.values())
        """By priority, then by name."""
        self._clients = {name: built.client for name, built in self._built.items()}
        self.bindings = {name: built.binding for name, built in self._built.items()}
        self._series = series
        self.signing_keys = SigningKeys(configuration.signing_keys, bundle.credentials)
        self.session_tokens = SessionTokens(configuration, self.signing_keys, revoked=revoked)
        self.identity_providers = _identity_providers(bundle, self.outbound, previous)
        """By name, in the order written."""
        self._workloads = _workload_tokens(configuration, self.outbound, previous)
        recognisers: list[Recogniser] = [
            self.session_tokens if feed is None else KnownSessions(self.session_tokens, feed),
            DeveloperKeys(configuration.developer_keys),
        ]
        if self._workloads is not None:
            recognisers.append(self._workloads)
        self._authentication = Authentication(
            recognisers,
            subscription_passthrough=configuration.subscription_passthrough,
        )
        self._index = PolicyIndex(configuration)
        self._policies: dict[str, EffectivePolicy] = {}
        self._grants: dict[tuple[tuple[str, ...] | None, tuple[str, ...] | None], ModelGrant] = {}
        self._by_principal: WeakKeyDictionary[Principal, EffectivePolicy] = WeakKeyDictionary()
        """Kept as long as whoever recognised the principal knows it."""

    async def authenticate(self, authorization: str | None, x_api_key: str | None) -> Principal:
        """The caller that these two headers prove; raises GatewayError (401, or 503 where that cannot be told now)."""
        return await self._authentication.principal(authorization, x_api_key)

    def policy_of(self, principal: Principal) -> EffectivePolicy:
        """What the caller may do; raises GatewayError (403) where that is nothing."""
        found = self._by_principal.get(principal)
        if found is None:
            found = self._prepared(self._deciding_policy(principal))
            self._by_principal[principal] = found
        policy = found.policy
        if policy.invalid is not None:
            raise errors.policy_invalid(policy.name)
        if policy.access == "Deny":
            raise errors.access_denied(policy.name)
        return found

    def is_admin(self, principal: Principal) -> bool:
        """Whether a group makes the caller an admin: only of who signed in with an identity provider, for the groups of
        developer keys and workloads are chosen by whoever makes them."""
        caller = principal.caller
        return (
            caller is not None
            and caller.identity_provider is not None
            and not caller.groups.isdisjoint(self.configuration.admin_groups)
        )

    def renumbered(self, sequence: int) -> "LiveConfiguration":
        """The same configuration, caches included, under another sequence number."""
        twin = copy(self)
        twin.sequence = sequence
        return twin

    def _deciding_policy(self, principal: Principal) -> Policy:
        caller = principal.caller
        policy = self.configuration.base if caller is None else self._index.deciding(caller)
        if policy is None:
            raise errors.no_policy()
        return policy

    def _prepared(self, policy: Policy) -> EffectivePolicy:
        found = self._policies.get(policy.name)
        if found is None or found.policy is not policy:
            key = policy.models, policy.upstreams
            grant = self._grants.get(key)
            if grant is None:
                grant = self._grants[key] = ModelGrant(
                    models=policy.models,
                    upstreams=policy.upstreams,
                    configuration=self.configuration,
                    names=self.names,
                    clients=self._clients,
                    bindings=self.bindings,
                    series=self._series,
                )
            found = self._policies[policy.name] = EffectivePolicy(policy, grant)
        return found


def _clients(
    bundle: Bundle, *, outbound: Outbound, pools: Pools, previous: LiveConfiguration | None
) -> dict[str, _Built]:
    """Clients by upstream name. One whose definition, credential and egress are as before is taken over, with its
    warm connections and its standing; others begin as healthy ones."""
    configuration = bundle.configuration
    before = previous._built if previous is not None else {}
    same_egress = previous is not None and previous.configuration.egress == configuration.egress
    built: dict[str, _Built] = {}
    for upstream in configuration.upstreams:
        values = tuple(bundle.credentials[value.name] for value in values_of(upstream.credential))
        old = before.get(upstream.name)
        if old is not None and same_egress and old.upstream == upstream and old.values == values:
            built[upstream.name] = old
        else:
            client = build(upstream, values, outbound=outbound, pools=pools)
            if old is not None and client.renewing is not None and old.client.renewing is not None:
                client.renewing.take_over(old.client.renewing, value=_same_place_and_identity(old.upstream, upstream))
            binding = Binding(upstream, occupancy=old.binding.occupancy if old is not None else None)
            built[upstream.name] = _Built(upstream, values, client, binding)
    return built


def _same_place_and_identity(before: Upstream, now: Upstream) -> bool:
    """Whether nothing is another but the secrets and what does not touch where they lead: then what was fetched with
    the secret of before may be sent on."""
    return _without_secrets(before) == _without_secrets(now)


def _without_secrets(upstream: Upstream) -> dict[str, Any]:
    place = upstream.model_dump(include={"type", "base_url", "region", "project_id", "workspace_id", "credential"})
    secrets = {"name", "sha256"}

    def without(part: dict[str, Any]) -> dict[str, Any]:
        return {
            name: (None if value.keys() == secrets else without(value)) if isinstance(value, dict) else value
            for name, value in part.items()
        }

    # A secret and no secret are not the same: the one is somebody, the other the pod itself.
    return without(place) | {"secrets": len(values_of(upstream.credential))}


def _identity_providers(
    bundle: Bundle, outbound: Outbound, previous: LiveConfiguration | None
) -> "Mapping[str, IdentityProviderClient]":
    if not bundle.configuration.identity_providers:
        return {}
    from gateway_proxy.identity.oidc.clients import build_clients  # with joserfc, which others do without
    from gateway_proxy.web import pages

    pages.prepare()
    return build_clients(bundle, outbound, previous=previous.identity_providers if previous is not None else {})


def _workload_tokens(
    configuration: Configuration, outbound: Outbound, previous: LiveConfiguration | None
) -> "WorkloadTokens | None":
    if not configuration.workload_issuers:
        return None
    from gateway_proxy.identity.workloads import WorkloadTokens

    before = previous._workloads if previous is not None else None
    return WorkloadTokens(configuration.workload_issuers, outbound, previous=before)
