"""Claude Platform on AWS: signed requests, or an API key."""

from typing import Final

from gateway_config.upstream_credentials import Credential
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.providers import ClaudePlatformAWS
from gateway_operator.compiler.providers.aws import signing_credential
from gateway_operator.compiler.providers.regions import (
    AWS_REGIONS,
    COMMERCIAL,
    RegionWarning,
    misspelt,
    partition,
    role_elsewhere,
)
from gateway_operator.compiler.providers.room import Keyring, Place, Room

_COMMERCIAL_ALONE: Final = "Claude Platform on AWS is offered in commercial regions alone: take one of these"
"""Its user guide, "Prerequisites"."""


def place(member: ClaudePlatformAWS) -> Place:
    default = f"https://aws-external-anthropic.{member.region}.api.aws"
    return Place(base_url=member.base_url or default, region=member.region, workspace_id=member.workspace_id)


def credential(member: ClaudePlatformAWS, keyring: Keyring) -> Credential:
    if member.api_key_secret_ref is not None:
        return keyring.static(f"{ROOM.path}.apiKeySecretRef", member.api_key_secret_ref, "ApiKey")
    return signing_credential(
        keyring,
        f"{ROOM.path}.accessKeySecretRef",
        member.access_key_secret_ref,
        region=member.region,
        role_arn=member.role_arn,
    )


def region_warning(member: ClaudePlatformAWS) -> RegionWarning | None:
    if partition(member.region) != COMMERCIAL and not member.base_url:
        return RegionWarning("region", Reason.REGION_NOT_OFFERED, _COMMERCIAL_ALONE)
    return misspelt(member.region, AWS_REGIONS, "AWS") or role_elsewhere(member.region, member.role_arn)


ROOM: Final[Room[ClaudePlatformAWS]] = Room(
    name="claudePlatformAWS",
    attribute="claude_platform_aws",
    place=place,
    credential=credential,
    region_warning=region_warning,
)
