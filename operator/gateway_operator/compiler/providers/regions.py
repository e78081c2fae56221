"""Regions of the clouds: the partition of AWS that one lies in, and what a mistyped one may have meant.

The lists are for suggestions. A region with the words of a known one and another number counts as opened since.
Sources: the regions and partitions in botocore's data, which the tests compare, with two that AWS has announced since
(me-west-1, sa-west-1); Google's "Vertex AI locations" and "Regions and zones", with the multi-regions and `global` of
"Deployments and endpoints"; all read in November 2026.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from gateway_operator.api.v1alpha1.conditions import Reason

AWS_REGIONS: Final = (
    *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1"),
    *("ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
    *("ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1"),
    *("eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1"),
    *("me-west-1", "mx-central-1", "sa-east-1", "sa-west-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    *("us-gov-east-1", "us-gov-west-1", "cn-north-1", "cn-northwest-1", "eusc-de-east-1", "us-iso-east-1"),
    *("us-iso-west-1", "us-isob-east-1", "us-isob-west-1", "us-isof-east-1", "us-isof-south-1", "eu-isoe-west-1"),
)
GOOGLE_LOCATIONS: Final = (
    *("global", "us", "eu", "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2"),
    *("asia-northeast3", "asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "asia-southeast3"),
    *("australia-southeast1", "australia-southeast2", "europe-central2", "europe-north1", "europe-north2"),
    *("europe-southwest1", "europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6"),
    *("europe-west8", "europe-west9", "europe-west10", "europe-west12", "me-central1", "me-central2", "me-west1"),
    *("northamerica-northeast1", "northamerica-northeast2", "northamerica-south1", "southamerica-east1"),
    *("southamerica-west1", "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2"),
    *("us-west3", "us-west4"),
)
_NUMBER: Final = re.compile(r"\d{1,2}$")


class Partition(NamedTuple):
    """A part of AWS with accounts, identities and addresses of its own."""

    name: str
    """As ARNs have it."""
    dns_suffix: str


class RegionWarning(NamedTuple):
    """A warning about a region, or about what does not go with it."""

    field: str
    """Of the provider's member, or of a listed model."""
    reason: Reason
    message: str


COMMERCIAL: Final = Partition("aws", "amazonaws.com")
CHINA: Final = Partition("aws-cn", "amazonaws.com.cn")
_PARTITIONS: Final = {
    "us-gov-": Partition("aws-us-gov", "amazonaws.com"),
    "cn-": CHINA,
    "eusc-": Partition("aws-eusc", "amazonaws.eu"),
    "us-iso-": Partition("aws-iso", "c2s.ic.gov"),
    "us-isob-": Partition("aws-iso-b", "sc2s.sgov.gov"),
    "us-isof-": Partition("aws-iso-f", "csp.hci.ic.gov"),
    "eu-isoe-": Partition("aws-iso-e", "cloud.adc-e.uk"),
}
"""By what the names of their regions begin with."""


def partition(region: str) -> Partition:
    """The AWS partition of a region; commercial unless its name says otherwise."""
    return next((found for prefix, found in _PARTITIONS.items() if region.startswith(prefix)), COMMERCIAL)


def misspelt(region: str, known: Sequence[str], cloud: str) -> RegionWarning | None:
    """A warning where no known region has the words of this one."""
    if _words(region) in map(_words, known):
        return None
    # Hardly ever of another continent: where prompts go is no matter of likeness.
    alike = [name for name in known if name[0] == region[0]]
    swapped = [name for name in alike if sorted(name) == sorted(region)]
    nearest = swapped or get_close_matches(region, alike, n=1, cutoff=0.7)
    hint = f"did you mean {nearest[0]}?" if nearest else "check the spelling."
    message = f'"{region}" is no region of {cloud} that is known here: {hint} One that is new stays as it is'
    return RegionWarning("region", Reason.REGION_UNKNOWN, message)


def role_elsewhere(region: str, role_arn: str) -> RegionWarning | None:
    """A warning where a role's ARN is of another partition than the region whose STS is asked for it: identities end
    where their partition does (AWS whitepaper, "AWS Fault Isolation Boundaries", Partitions)."""
    theirs, ours = role_arn.split(":")[1] if role_arn else "", partition(region).name
    if theirs in ("", ours):
        return None
    message = f'roleARN is of the partition {theirs}, and "{region}" of {ours}, where that role cannot be assumed'
    return RegionWarning(
        "roleARN", Reason.ROLE_OF_ANOTHER_PARTITION, f"{message}: take a role of {ours}, or another region"
    )


def model_elsewhere(region: str, upstream_id: str) -> RegionWarning | None:
    """A warning where a model's ARN is of another partition or region than the one that is asked for it. Also the ARN
    of an inference profile that spreads over regions is that of a region to call it from (Bedrock user guide,
    "Inference profiles"); elsewhere AWS answers "The provided model identifier is invalid" (earendil-works/pi#5527)."""
    match upstream_id.split(":", 5):
        case ["arn", theirs, _, place, _, _]:
            ours = partition(region).name
        case _:
            return None
    if place not in ("", region):
        what = f"{place}, and the binding asks in {region}"
        way_out = f"take the ARN that {region} has for it, or a binding of its own with region {place}"
    elif theirs != ours:
        what = f"the partition {theirs}, and {region} lies in {ours}"
        way_out = f"take the ARN that {region} has for it"
    else:
        return None
    message = f"this ARN is of {what}, where no such model is known: {way_out}"
    return RegionWarning("upstreamID", Reason.MODEL_OF_ANOTHER_REGION, message)


def _words(region: str) -> str:
    return _NUMBER.sub("#", region)
