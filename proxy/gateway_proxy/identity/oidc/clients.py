"""The identity providers of a configuration."""

from collections.abc import Mapping

from gateway_config.bundle import Bundle
from gateway_config.parts import Value
from gateway_proxy.identity.oidc.client import IdentityProviderClient
from gateway_proxy.outbound.client import Outbound


def build_clients(
    bundle: Bundle, outbound: Outbound, *, previous: Mapping[str, IdentityProviderClient]
) -> dict[str, IdentityProviderClient]:
    """Clients by name, in the order written. One whose definition, secrets and way out are as before is taken over,
    with what it has fetched. Raises ValueError for a key that cannot be read."""
    built: dict[str, IdentityProviderClient] = {}
    for provider in bundle.configuration.identity_providers:
        before = previous.get(provider.name)
        if before is not None and before.provider == provider and before.outbound is outbound:
            built[provider.name] = before
            continue
        google = provider.google_groups
        try:
            built[provider.name] = IdentityProviderClient(
                provider,
                outbound,
                client_secret=_value(bundle, provider.client_secret),
                google_key=_value(bundle, google.service_account if google is not None else None),
            )
        except ValueError as error:
            raise ValueError(f"identity provider {provider.name}: {error}") from error
    return built


def _value(bundle: Bundle, value: Value | None) -> str | None:
    return bundle.credentials[value.name] if value is not None else None
