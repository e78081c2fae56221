"""What the gateway proves itself to upstreams with: one form for each way that a cloud has."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from gateway_config.parts import Part, Value


class StaticCredential(Value):
    """A value that is sent as it is."""

    kind: Literal["ApiKey", "OAuthToken", "BearerToken"]


class _Kinded(Part):
    """A credential that is known by its kind, which is written out where members at their default are not."""

    @model_serializer(mode="wrap")
    def _with_kind(self, serialized: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": type(self).model_fields["kind"].default, **serialized(self)}


class AWSCredential(_Kinded):
    """What requests to AWS are signed with."""

    kind: Literal["AWS"] = "AWS"
    access_key: Value | None = Field(
        default=None,
        description="JSON with accessKeyID, secretAccessKey and perhaps sessionToken; None: the pod's own identity.",
    )
    role_arn: str | None = Field(default=None, description="Assumed from whichever credential there is.")
    external_id: str | None = None


class GoogleCredential(_Kinded):
    """What tokens of Google Cloud are got with."""

    kind: Literal["Google"] = "Google"
    service_account: Value | None = Field(
        default=None, description="A credential file in Google's JSON form; None: the pod's own identity."
    )
    impersonate: str | None = Field(
        default=None, description="A service account that is impersonated from whichever credential there is."
    )


class EntraClient(Part):
    """A Microsoft Entra application."""

    tenant_id: str
    client_id: str
    secret: Value


class EntraCredential(_Kinded):
    """What tokens of Microsoft Entra are got with."""

    kind: Literal["Entra"] = "Entra"
    client: EntraClient | None = Field(default=None, description="None: the pod's own identity.")


class FederatedCredential(_Kinded):
    """A projected service account token is exchanged at Anthropic for a short-lived one."""

    kind: Literal["Federated"] = "Federated"
    organization_id: str
    federation_rule_id: str
    service_account_id: str
    workspace_id: str | None = None
    token_file: str = Field(description="Where the pod's token lies.")


Credential = Annotated[
    StaticCredential | AWSCredential | GoogleCredential | EntraCredential | FederatedCredential,
    Field(discriminator="kind"),
]


def values_of(credential: Credential) -> tuple[Value, ...]:
    """The values in the credentials file that a credential is made of."""
    match credential:
        case StaticCredential():
            return (credential,)
        case AWSCredential(access_key=value) | GoogleCredential(service_account=value) if value is not None:
            return (value,)
        case EntraCredential(client=client) if client is not None:
            return (client.secret,)
        case _:
            return ()
