"""Regions: each partition of AWS has its own addresses, and a name that is none is told with what it may have meant."""

from typing import Any

import pytest
from botocore.session import Session
from tests.compiler.manifests import binding, compiled, policy

from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler import Finding, Severity
from gateway_operator.compiler.providers.aws import sts_url
from gateway_operator.compiler.providers.regions import AWS_REGIONS

PLACES = {"Bedrock": {}, "ClaudePlatformAWS": {"workspaceID": "w"}, "VertexAI": {"projectID": "p"}}


def outcome(provider: str, region: str, **more: Any) -> tuple[str, tuple[Finding, ...]]:
    """The address, and what is said of the region."""
    name = "claudePlatformAWS" if provider == "ClaudePlatformAWS" else provider[0].lower() + provider[1:]
    member = {"region": region, "podIdentity": {}, **PLACES[provider], **more}
    result = compiled(binding("cloud", type=provider, **{name: member}), policy())
    assert result.configuration is not None
    (upstream,) = result.configuration.upstreams
    for finding in result.findings:
        field = "roleARN" if finding.reason is Reason.ROLE_OF_ANOTHER_PARTITION else "region"
        assert (finding.path, finding.severity) == (f"spec.{name}.{field}", Severity.WARNING)
    return upstream.base_url, result.findings


@pytest.mark.parametrize(
    ("provider", "region", "told"),
    [
        ("Bedrock", "us-esat-1", "did you mean us-east-1?"),
        ("Bedrock", "us-east-1a", "did you mean us-east-1?"),
        ("Bedrock", "ap-southeast1", "did you mean ap-southeast-1?"),
        ("Bedrock", "us-gov-wset-1", "did you mean us-gov-west-1?"),
        ("Bedrock", "global", "check the spelling"),
        ("ClaudePlatformAWS", "eu-cental-1", "did you mean eu-central-1?"),
        ("VertexAI", "uss-central1", "did you mean us-central1?"),
        ("VertexAI", "us-east-1", "did you mean us-east1?"),
        ("VertexAI", "europe-west1-b", "did you mean europe-west1?"),
        ("VertexAI", "us1", "did you mean us?"),
        # Europe's prompts are no business of us-central1.
        ("VertexAI", "eu-central-1", "did you mean europe-central2?"),
        ("VertexAI", "worldwide", "check the spelling"),
    ],
)
def test_a_region_that_is_none_is_told_with_its_nearest(provider: str, region: str, told: str) -> None:
    (finding,) = outcome(provider, region)[1]
    assert finding.reason == "RegionUnknown"
    assert f'"{region}"' in finding.message
    assert told in finding.message


@pytest.mark.parametrize(
    ("provider", "region"),
    [
        ("Bedrock", "us-east-1"),
        ("Bedrock", "us-gov-west-1"),
        ("Bedrock", "eusc-de-east-1"),
        ("ClaudePlatformAWS", "eu-west-3"),
        *(("VertexAI", region) for region in ("global", "us", "eu", "us-east5", "europe-west12")),
        # Opened since, for all that anybody here knows.
        ("Bedrock", "ap-southeast-9"),
        ("VertexAI", "europe-west14"),
    ],
)
def test_nothing_is_said_of_a_region_that_is_or_may_be(provider: str, region: str) -> None:
    assert outcome(provider, region)[1] == ()


@pytest.mark.parametrize(
    ("provider", "region", "told"),
    [
        ("Bedrock", "cn-north-1", "AWS offers no Bedrock in China"),
        ("ClaudePlatformAWS", "cn-northwest-1", "commercial regions alone"),
        ("ClaudePlatformAWS", "us-gov-west-1", "commercial regions alone"),
    ],
)
def test_where_there_is_no_claude_that_is_said_unless_somebody_else_answers(
    provider: str, region: str, told: str
) -> None:
    (finding,) = outcome(provider, region)[1]
    assert finding.reason == "RegionNotOffered"
    assert told in finding.message
    assert outcome(provider, region, baseURL="https://relay.corp.example")[1] == ()


@pytest.mark.parametrize(
    ("provider", "region", "partition", "told"),
    [
        ("Bedrock", "us-gov-west-1", "aws", "take a role of aws-us-gov"),
        ("Bedrock", "us-east-1", "aws-us-gov", "take a role of aws,"),
        ("ClaudePlatformAWS", "eu-west-1", "aws-eusc", "take a role of aws,"),
        ("Bedrock", "us-gov-east-1", "aws-us-gov", ""),
        ("Bedrock", "eusc-de-east-1", "aws-eusc", ""),
        ("ClaudePlatformAWS", "us-east-1", "aws", ""),
    ],
)
def test_a_role_is_assumed_in_its_own_partition_alone(provider: str, region: str, partition: str, told: str) -> None:
    findings = outcome(provider, region, roleARN=f"arn:{partition}:iam::123456789012:role/claude")[1]
    assert [(finding.reason, told in finding.message) for finding in findings] == (
        [("RoleOfAnotherPartition", True)] if told else []
    )


HAIKU = "inference-profile/eu.anthropic.claude-haiku-5-5"


def said_of_model(upstream_id: str, **member: Any) -> list[Finding]:
    bedrock = {"region": "eu-central-1", "podIdentity": {}, **member}
    models = [{"id": "claude-opus-5-5"}, {"id": "claude-haiku-5-5", "upstreamID": upstream_id}]
    result = compiled(binding("cloud", type="Bedrock", bedrock=bedrock, models=models), policy())
    assert result.configuration is not None
    assert result.configuration.upstreams[0].models["claude-haiku-5-5"] == upstream_id
    return list(result.findings)


@pytest.mark.parametrize(
    ("region", "arn", "told"),
    [
        ("eu-central-1", f"arn:aws:bedrock:eu-west-1:1:{HAIKU}", ["eu-west-1", "eu-central-1"]),
        ("us-east-1", "arn:aws:bedrock:us-west-2:1:inference-profile/a1", ["us-west-2", "us-east-1"]),
        ("us-east-1", "arn:aws:bedrock:us-east-2::foundation-model/anthropic.x", ["us-east-2", "us-east-1"]),
        ("us-east-1", "arn:aws:bedrock:us-east-2:1:provisioned-model/a1", ["us-east-2", "us-east-1"]),
        ("us-gov-west-1", "arn:aws:bedrock:us-east-1:1:inference-profile/a1", ["us-east-1", "us-gov-west-1"]),
        ("us-gov-west-1", "arn:aws:bedrock:us-gov-west-1:1:inference-profile/a1", ["aws,", "in aws-us-gov,"]),
        ("eu-central-1", "arn:aws-eusc:bedrock:::foundation-model/anthropic.x", ["aws-eusc,", "in aws,"]),
    ],
)  # fmt: skip
def test_an_arn_of_another_region_or_partition_is_told(region: str, arn: str, told: list[str]) -> None:
    (finding,) = said_of_model(arn, region=region)
    assert (finding.path, finding.severity) == ("spec.models[1].upstreamID", Severity.WARNING)
    assert finding.reason == "ModelOfAnotherRegion"
    assert all(words in finding.message for words in told), finding.message
    assert f"take the ARN that {region} has for it" in finding.message


@pytest.mark.parametrize(
    ("region", "upstream_id"),
    [
        ("eu-central-1", f"arn:aws:bedrock:eu-central-1:1:{HAIKU}"),
        ("eu-central-1", "arn:aws:bedrock:eu-central-1:1:application-inference-profile/a1"),
        ("us-gov-west-1", "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-haiku-5-5"),
        ("eu-central-1", "arn:aws:bedrock:::foundation-model/anthropic.claude-haiku-5-5"),
        ("eu-central-1", "us.anthropic.claude-haiku-5-5"),
        ("eu-central-1", "arn:aws:bedrock"),
        ("eu-central-1", "a:aws:bedrock:us-east-1:1:x"),
    ],
)  # fmt: skip
def test_nothing_is_said_of_an_arn_of_the_region_s_own_or_of_another_name(region: str, upstream_id: str) -> None:
    assert said_of_model(upstream_id, region=region) == []


@pytest.mark.parametrize(
    ("url", "reasons"),
    [
        ("https://relay.corp.example", []),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", []),
        ("https://vpce-0a1.bedrock-runtime.eu-central-1.vpce.amazonaws.com", ["ModelOfAnotherRegion"]),
    ],
)
def test_who_answers_at_another_address_may_know_other_arns(url: str, reasons: list[str]) -> None:
    findings = said_of_model(f"arn:aws:bedrock:eu-west-1:1:{HAIKU}", baseURL=url)
    assert [finding.reason for finding in findings] == reasons


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session()
    session.set_credentials("key", "secret")
    return session


def test_the_regions_are_those_that_awss_own_library_knows(session: Session) -> None:
    partitions = session.get_available_partitions()
    theirs = {region for each in partitions for region in session.get_available_regions("s3", each)}
    assert theirs - {region for region in theirs if "-global" in region} <= set(AWS_REGIONS)


@pytest.mark.parametrize(
    "region",
    [
        *("us-east-1", "eu-central-1", "us-gov-west-1", "us-gov-east-1", "cn-north-1", "eusc-de-east-1"),
        *("us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1"),
    ],
)
def test_the_hosts_of_a_partition_are_those_of_awss_own_library(session: Session, region: str) -> None:
    sts, runtime = (session.create_client(name, region_name=region) for name in ("sts", "bedrock-runtime"))
    assert sts_url(region) == sts.meta.endpoint_url
    assert outcome("Bedrock", region)[0] == runtime.meta.endpoint_url
