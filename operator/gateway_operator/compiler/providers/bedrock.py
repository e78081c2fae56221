"""Amazon Bedrock: signed requests, or a Bedrock API key as bearer token."""

from typing import Final

from gateway_config.upstream_credentials import Credential
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.providers import Bedrock
from gateway_operator.compiler.catalogue import BuiltinModel, bedrock_regions
from gateway_operator.compiler.providers.aws import signing_credential
from gateway_operator.compiler.providers.regions import (
    AWS_REGIONS,
    CHINA,
    COMMERCIAL,
    RegionWarning,
    misspelt,
    model_elsewhere,
    partition,
    role_elsewhere,
)
from gateway_operator.compiler.providers.room import Keyring, Place, Room

_GLOBAL: Final = "global"
_NOT_IN_CHINA: Final = "AWS offers no Bedrock in China: take another region, or name in baseURL who answers there"
"""Bedrock user guide, "Regional availability by endpoints", has all regions with Bedrock."""


def place(member: Bedrock) -> Place:
    default = f"https://bedrock-runtime.{member.region}.{partition(member.region).dns_suffix}"
    return Place(base_url=member.base_url or default, region=member.region)


def credential(member: Bedrock, keyring: Keyring) -> Credential:
    if member.bearer_token_secret_ref is not None:
        return keyring.static(f"{ROOM.path}.bearerTokenSecretRef", member.bearer_token_secret_ref, "BearerToken")
    return signing_credential(
        keyring,
        f"{ROOM.path}.accessKeySecretRef",
        member.access_key_secret_ref,
        region=member.region,
        role_arn=member.role_arn,
        external_id=member.external_id,
    )


def upstream_id(builtin: BuiltinModel, provider: str, place: Place) -> str:
    """With the prefix of an inference profile: the narrowest geography's that the model has and that may be called from
    the region, else `global.`, else none. Outside the commercial partition there is nothing global."""
    bare = builtin.upstream_ids[provider]
    for prefix, regions in bedrock_regions().items():
        if place.region in regions and prefix in builtin.bedrock_prefixes:
            return f"{prefix}.{bare}"
    if _GLOBAL in builtin.bedrock_prefixes and partition(place.region) == COMMERCIAL:
        return f"{_GLOBAL}.{bare}"
    return bare


def region_warning(member: Bedrock) -> RegionWarning | None:
    if partition(member.region) == CHINA and not member.base_url:
        return RegionWarning("region", Reason.REGION_NOT_OFFERED, _NOT_IN_CHINA)
    return misspelt(member.region, AWS_REGIONS, "AWS") or role_elsewhere(member.region, member.role_arn)


def model_warning(member: Bedrock, upstream_id: str) -> RegionWarning | None:
    # An address of another name may be anybody's; those of VPC endpoints name their region.
    if member.base_url and member.region not in member.base_url:
        return None
    return model_elsewhere(member.region, upstream_id)


ROOM: Final[Room[Bedrock]] = Room(
    name="bedrock",
    attribute="bedrock",
    place=place,
    credential=credential,
    upstream_id=upstream_id,
    region_warning=region_warning,
    model_warning=model_warning,
)
