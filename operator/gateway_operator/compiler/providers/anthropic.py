"""The Anthropic API: a key, an OAuth token, or a token of the pod's service account that is exchanged there."""

from typing import Final

from gateway_config.upstream_credentials import Credential, FederatedCredential
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.providers import Anthropic
from gateway_operator.compiler.providers.room import NO_CREDENTIAL, Keyring, Place, Room, UnusableError

DEFAULT_BASE_URL: Final = "https://api.anthropic.com"

DEFAULT_AUDIENCE: Final = "https://api.anthropic.com"


def place(member: Anthropic) -> Place:
    return Place(base_url=member.base_url or DEFAULT_BASE_URL)


def credential(member: Anthropic, keyring: Keyring) -> Credential:
    if member.api_key_secret_ref is not None:
        return keyring.static(f"{ROOM.path}.apiKeySecretRef", member.api_key_secret_ref, "ApiKey")
    if member.oauth_token_secret_ref is not None:
        return keyring.static(f"{ROOM.path}.oauthTokenSecretRef", member.oauth_token_secret_ref, "OAuthToken")
    identity = member.workload_identity
    assert identity is not None, NO_CREDENTIAL
    if keyring.foreign and identity.token_audience != DEFAULT_AUDIENCE:
        message = (
            f"the pods' tokens are the gateway's, and a binding of another namespace has them made for "
            f"{DEFAULT_AUDIENCE} alone: remove tokenAudience"
        )
        path = f"{ROOM.path}.workloadIdentity.tokenAudience"
        raise UnusableError(path, Reason.POD_IDENTITY_NOT_ALLOWED, message)
    return FederatedCredential(
        organization_id=identity.organization_id,
        federation_rule_id=identity.federation_rule_id,
        service_account_id=identity.service_account_id,
        workspace_id=identity.workspace_id or None,
        token_file=keyring.token_file(identity.token_audience),
    )


ROOM: Final[Room[Anthropic]] = Room(name="anthropic", attribute="anthropic", place=place, credential=credential)
