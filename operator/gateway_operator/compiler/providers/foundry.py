"""Microsoft Foundry: an API key, an Entra application's secret, or the pod's own identity."""

from typing import Final

from gateway_config.upstream_credentials import Credential, EntraClient, EntraCredential
from gateway_operator.api.v1alpha1.providers import Foundry
from gateway_operator.compiler.providers.room import Keyring, Place, Room

ENTRA_URL: Final = "https://login.microsoftonline.com"
"""Where an application's secret is exchanged for a token."""
SERVICE_PATH: Final = "/anthropic"


def place(member: Foundry) -> Place:
    return Place(base_url=member.base_url or f"https://{member.resource}.services.ai.azure.com{SERVICE_PATH}")


def credential(member: Foundry, keyring: Keyring) -> Credential:
    if member.api_key_secret_ref is not None:
        return keyring.static(f"{ROOM.path}.apiKeySecretRef", member.api_key_secret_ref, "ApiKey")
    entra = member.entra
    if entra is None:
        return EntraCredential()
    path = f"{ROOM.path}.entra.clientSecretRef"
    secret = keyring.keep(keyring.header_value(path, entra.client_secret_ref, urls=[ENTRA_URL]))
    return EntraCredential(client=EntraClient(tenant_id=entra.tenant_id, client_id=entra.client_id, secret=secret))


ROOM: Final[Room[Foundry]] = Room(
    name="foundry",
    attribute="foundry",
    place=place,
    credential=credential,
    complete_path={".services.ai.azure.com": SERVICE_PATH},
)
