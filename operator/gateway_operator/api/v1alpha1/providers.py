"""One member for each type of provider: where it is, and the one credential that it is called with."""

from typing import Annotated

from gateway_operator.api.v1alpha1.addresses import BaseURL
from gateway_operator.api.v1alpha1.base import Model, Rule, doc, one_of_rule
from gateway_operator.api.v1alpha1.references import SecretKeyRef, SecretRef
from gateway_operator.api.v1alpha1.scalars import (
    ENTRA_TENANT_PATTERN,
    FOUNDRY_RESOURCE_PATTERN,
    GOOGLE_ACCOUNT_PATTERN,
    VISIBLE_PATTERN,
    Opaque,
    Region,
    RoleARN,
)

_ACCESS_KEY = (
    "Secret with the keys `accessKeyID`, `secretAccessKey` and, for temporary ones, `sessionToken`. "
    "Exactly one credential is required. Default: none."
)
_POD_IDENTITY = "Written as `{}`: the pod's own identity. Exactly one credential is required. Default: none."


class PodIdentity(Model):
    """The pod's own cloud identity (IRSA, EKS Pod Identity, GKE or Entra workload identity). It has no members."""


class WorkloadIdentity(Model):
    """Anthropic workload identity federation: a projected service-account token is exchanged for a short-lived one."""

    organization_id: Annotated[
        Opaque, doc("Id of the Anthropic organization.", example="3f6c1c0a-6a3e-4f0e-9f5e-2b6f1f0f9d11")
    ]
    federation_rule_id: Annotated[
        Opaque, doc("Id of the federation rule that admits the token.", example="fdrl_01AbCdEf")
    ]
    service_account_id: Annotated[
        Opaque, doc("Id of the Anthropic service account to act as.", example="svac_01AbCdEf")
    ]
    workspace_id: Annotated[
        str | None, doc("Id of the workspace. Default: the rule's own.", example="wrkspc_01AbCdEf", max_length=256)
    ] = None
    token_audience: Annotated[
        str,
        doc(
            "Audience of the projected token, as the federation rule asks for it. Others than the default are also "
            "listed in the operator chart's value admissionPolicy.tokenAudiences.",
            example="https://api.anthropic.com",
            min_length=1,
            max_length=512,
            pattern=VISIBLE_PATTERN,
        ),
        Rule(
            cel="!self.contains('kubernetes')",
            message="must not be one that the Kubernetes API takes: name the audience of the federation rule",
            holds=lambda audience: "kubernetes" not in audience,
        ),
    ] = "https://api.anthropic.com"  # noqa: S105  # an audience, no password


class Anthropic(Model):
    """The Anthropic API, or anything that speaks it."""

    base_url: Annotated[
        BaseURL,
        doc(
            "Address; `/v1/messages` is appended. Empty stands for the default.",
            example="https://claude-relay.corp.example",
        ),
    ] = "https://api.anthropic.com"
    api_key_secret_ref: Annotated[
        SecretKeyRef | None,
        doc(
            "An API key. Exactly one credential is required. Default: none.",
            example={"name": "anthropic", "key": "api-key"},
        ),
    ] = None
    oauth_token_secret_ref: Annotated[
        SecretKeyRef | None,
        doc(
            "An OAuth token. Exactly one credential is required. Default: none.",
            example={"name": "anthropic", "key": "token"},
        ),
    ] = None
    workload_identity: Annotated[
        WorkloadIdentity | None,
        doc("A service-account token, exchanged at Anthropic. Exactly one credential is required. Default: none."),
    ] = None

    object_rules = (
        one_of_rule(
            {
                "apiKeySecretRef": "api_key_secret_ref",
                "oauthTokenSecretRef": "oauth_token_secret_ref",
                "workloadIdentity": "workload_identity",
            },
            "exactly one credential is needed: apiKeySecretRef, oauthTokenSecretRef or workloadIdentity",
        ),
    )


class Bedrock(Model):
    """Amazon Bedrock."""

    region: Annotated[Region, doc("AWS region.", example="eu-central-1")]
    base_url: Annotated[
        BaseURL,
        doc(
            "Address. Default, and when empty: https://bedrock-runtime.REGION.amazonaws.com, or as the region's "
            "partition has it.",
            example="https://vpce-0abc.bedrock-runtime.eu-central-1.vpce.amazonaws.com",
        ),
    ] = ""
    access_key_secret_ref: Annotated[SecretRef | None, doc(_ACCESS_KEY, example={"name": "aws"})] = None
    bearer_token_secret_ref: Annotated[
        SecretKeyRef | None,
        doc(
            "A Bedrock API key. Exactly one credential is required. Default: none.",
            example={"name": "bedrock", "key": "token"},
        ),
    ] = None
    role_arn: Annotated[
        RoleARN,
        doc(
            "Role that is assumed from whichever AWS credential there is. Default, and when empty: none.",
            example="arn:aws:iam::123456789012:role/claude",
        ),
    ] = ""
    external_id: Annotated[
        str,
        doc(
            "External id that the role asks for. Default, and when empty: none.", example="corp-claude", max_length=1224
        ),
    ] = ""
    pod_identity: Annotated[PodIdentity | None, doc(_POD_IDENTITY, example={})] = None

    object_rules = (
        one_of_rule(
            {
                "accessKeySecretRef": "access_key_secret_ref",
                "bearerTokenSecretRef": "bearer_token_secret_ref",
                "podIdentity": "pod_identity",
            },
            "exactly one credential is needed: accessKeySecretRef, bearerTokenSecretRef or podIdentity",
        ),
        Rule(
            cel="!has(self.bearerTokenSecretRef) || !has(self.roleARN) || self.roleARN == ''",
            message=(
                "a role is assumed from AWS keys or the pod's identity, not from a bearer token: remove "
                "roleARN, or change the credential"
            ),
            holds=lambda it: it.bearer_token_secret_ref is None or not it.role_arn,
            path=".roleARN",
        ),
        Rule(
            cel="!has(self.externalID) || self.externalID == '' || (has(self.roleARN) && self.roleARN != '')",
            message="externalID is sent when a role is assumed: add roleARN, or remove externalID",
            holds=lambda it: not it.external_id or bool(it.role_arn),
            path=".externalID",
        ),
    )


class ClaudePlatformAWS(Model):
    """Claude Platform on AWS."""

    region: Annotated[Region, doc("AWS region.", example="us-east-1")]
    workspace_id: Annotated[Opaque, doc("Id of the workspace.", example="wrkspc_01AbCdEf")]
    base_url: Annotated[
        BaseURL,
        doc(
            "Address. Default, and when empty: https://aws-external-anthropic.REGION.api.aws.",
            example="https://aws-external-anthropic.us-east-1.api.aws",
        ),
    ] = ""
    api_key_secret_ref: Annotated[
        SecretKeyRef | None,
        doc(
            "An API key. Exactly one credential is required. Default: none.",
            example={"name": "claude-aws", "key": "api-key"},
        ),
    ] = None
    access_key_secret_ref: Annotated[SecretRef | None, doc(_ACCESS_KEY, example={"name": "aws"})] = None
    role_arn: Annotated[
        RoleARN,
        doc(
            "Role that is assumed from whichever AWS credential there is. Default, and when empty: none.",
            example="arn:aws:iam::123456789012:role/claude",
        ),
    ] = ""
    pod_identity: Annotated[PodIdentity | None, doc(_POD_IDENTITY, example={})] = None

    object_rules = (
        one_of_rule(
            {
                "apiKeySecretRef": "api_key_secret_ref",
                "accessKeySecretRef": "access_key_secret_ref",
                "podIdentity": "pod_identity",
            },
            "exactly one credential is needed: apiKeySecretRef, accessKeySecretRef or podIdentity",
        ),
        Rule(
            cel="!has(self.apiKeySecretRef) || !has(self.roleARN) || self.roleARN == ''",
            message=(
                "a role is assumed from AWS keys or the pod's identity, not from an API key: remove "
                "roleARN, or change the credential"
            ),
            holds=lambda it: it.api_key_secret_ref is None or not it.role_arn,
            path=".roleARN",
        ),
    )


class VertexAI(Model):
    """Google Cloud Vertex AI."""

    project_id: Annotated[Opaque, doc("Google Cloud project.", example="corp-ml")]
    region: Annotated[Region, doc("Location: global, us, eu or a region.", example="global")]
    base_url: Annotated[
        BaseURL,
        doc(
            "Address. Default, and when empty: the location's own.",
            example="https://europe-west1-aiplatform.googleapis.com/v1",
        ),
    ] = ""
    service_account_secret_ref: Annotated[
        SecretRef | None,
        doc(
            "Secret whose `key.json` is a credential file of Google's: a service account's key, or a workload identity "
            "pool's configuration. Exactly one credential is required. Default: none.",
            example={"name": "vertex"},
        ),
    ] = None
    impersonate: Annotated[
        str,
        doc(
            "Service account that is impersonated from whichever credential there is. Default, and when empty: none.",
            example="claude@corp-ml.iam.gserviceaccount.com",
            max_length=320,
            pattern=GOOGLE_ACCOUNT_PATTERN,
        ),
    ] = ""
    pod_identity: Annotated[PodIdentity | None, doc(_POD_IDENTITY, example={})] = None

    object_rules = (
        one_of_rule(
            {"serviceAccountSecretRef": "service_account_secret_ref", "podIdentity": "pod_identity"},
            "exactly one credential is needed: serviceAccountSecretRef or podIdentity",
        ),
    )


class Entra(Model):
    """A Microsoft Entra application with a client secret."""

    tenant_id: Annotated[
        str,
        doc(
            "Directory (tenant) id, or the directory's domain.",
            example="72f988bf-86f1-41af-91ab-2d7cd011db47",
            min_length=1,
            max_length=256,
            pattern=ENTRA_TENANT_PATTERN,
        ),
    ]
    client_id: Annotated[Opaque, doc("Application (client) id.", example="d3c0ba12-7d11-4c26-9a6b-33ad1a1f1b2c")]
    client_secret_ref: Annotated[
        SecretKeyRef, doc("The client's secret.", example={"name": "entra", "key": "client-secret"})
    ]


class Foundry(Model):
    """Microsoft Foundry."""

    resource: Annotated[
        str,
        doc(
            "Name of the Foundry resource. Exactly one of it and `baseURL` is required. Default: none.",
            example="corp-eu",
            max_length=64,
            pattern=FOUNDRY_RESOURCE_PATTERN,
        ),
    ] = ""
    base_url: Annotated[
        BaseURL,
        doc(
            "Address, in place of `resource`. Default, and when empty: https://RESOURCE.services.ai.azure.com/anthropic.",
            example="https://corp-eu.services.ai.azure.com/anthropic",
        ),
    ] = ""
    api_key_secret_ref: Annotated[
        SecretKeyRef | None,
        doc(
            "An API key. Exactly one credential is required. Default: none.",
            example={"name": "foundry", "key": "api-key"},
        ),
    ] = None
    entra: Annotated[Entra | None, doc("An Entra application. Exactly one credential is required. Default: none.")] = (
        None
    )
    pod_identity: Annotated[PodIdentity | None, doc(_POD_IDENTITY, example={})] = None

    object_rules = (
        one_of_rule(
            {"apiKeySecretRef": "api_key_secret_ref", "entra": "entra", "podIdentity": "pod_identity"},
            "exactly one credential is needed: apiKeySecretRef, entra or podIdentity",
        ),
        Rule(
            cel="(has(self.resource) && self.resource != '') || (has(self.baseURL) && self.baseURL != '')",
            message="resource is needed to know the address: add it, or give baseURL",
            holds=lambda it: bool(it.resource or it.base_url),
            path=".resource",
        ),
        # Anthropic's own client refuses the two as well.
        Rule(
            cel="!has(self.resource) || self.resource == '' || !has(self.baseURL) || self.baseURL == ''",
            message="resource and baseURL each say where requests go: remove one of them",
            holds=lambda it: not (it.resource and it.base_url),
            path=".resource",
        ),
    )
