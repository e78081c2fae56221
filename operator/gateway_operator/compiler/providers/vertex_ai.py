"""Google Cloud Vertex AI: a credential file of Google's, or the pod's own identity."""

from typing import Final

from gateway_config.upstream_credentials import Credential, GoogleCredential
from gateway_operator.api.v1alpha1.providers import VertexAI
from gateway_operator.compiler.providers.google_credentials import FILE_KEY, checked_credentials
from gateway_operator.compiler.providers.regions import GOOGLE_LOCATIONS, RegionWarning, misspelt
from gateway_operator.compiler.providers.room import Keyring, Place, Room

VERSION_PATH: Final = "/v1"
_MULTI_REGIONS: Final = frozenset({"us", "eu"})


def place(member: VertexAI) -> Place:
    """Requests to the global endpoint, to a multi-region and to a region go to hosts of three forms."""
    return Place(
        base_url=member.base_url or f"https://{_host(member.region)}{VERSION_PATH}",
        region=member.region,
        project_id=member.project_id,
    )


def _host(region: str) -> str:
    if region == "global":
        return "aiplatform.googleapis.com"
    return (
        f"aiplatform.{region}.rep.googleapis.com" if region in _MULTI_REGIONS else f"{region}-aiplatform.googleapis.com"
    )


def credential(member: VertexAI, keyring: Keyring) -> Credential:
    ref = member.service_account_secret_ref
    value = None
    if ref is not None:
        path = f"{ROOM.path}.serviceAccountSecretRef"
        text = checked_credentials(keyring, path, ref.name, ref.key or FILE_KEY, impersonates=bool(member.impersonate))
        value = keyring.keep(text)
    return GoogleCredential(service_account=value, impersonate=member.impersonate or None)


def region_warning(member: VertexAI) -> RegionWarning | None:
    return misspelt(member.region, GOOGLE_LOCATIONS, "Google Cloud")


ROOM: Final[Room[VertexAI]] = Room(
    name="vertexAI",
    attribute="vertex_ai",
    place=place,
    credential=credential,
    region_warning=region_warning,
    complete_path={".googleapis.com": VERSION_PATH},
)
