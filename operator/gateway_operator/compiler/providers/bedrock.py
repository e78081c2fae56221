"""Amazon Bedrock: signed requests, or a Bedrock API key as bearer token."""

from typing import Final

from gateway_config.contract import Credential
from gateway_operator.api.v1alpha1.providers import Bedrock
from gateway_operator.compiler.catalogue import BuiltinModel, bedrock_regions
from gateway_operator.compiler.providers.aws import signing_credential
from gateway_operator.compiler.providers.room import Keyring, Place, Room

_GLOBAL: Final = "global"
_OTHER_PARTITIONS: Final = ("us-gov-", "cn-", "us-iso", "eu-isoe-", "eusc-")


def place(member: Bedrock) -> Place:
    """The host is of one form in every partition, as Anthropic's own clients have it; `baseURL` names another one."""
    default = f"https://bedrock-runtime.{member.region}.amazonaws.com"
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
    if _GLOBAL in builtin.bedrock_prefixes and not place.region.startswith(_OTHER_PARTITIONS):
        return f"{_GLOBAL}.{bare}"
    return bare


ROOM: Final[Room[Bedrock]] = Room(
    name="bedrock", attribute="bedrock", place=place, credential=credential, upstream_id=upstream_id
)
