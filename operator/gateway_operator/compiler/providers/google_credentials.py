"""Google's credential files: which kinds a gateway takes, and what may stand in one.

The file can name programs to run, files to read and addresses to send secrets to, and its author need not be the
gateway's: so it is judged before a proxy sees it, as Google asks of whoever takes one from others ("Validate credential
configurations from external sources", cloud.google.com/docs/authentication/external/externally-sourced-credentials).
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler.providers.room import Keyring, UnusableError
from gateway_operator.compiler.references import host_of
from gateway_operator.compiler.urls import plain_http_finding, url_finding

FILE_KEY: Final = "key.json"
"""Of a Secret that is named without a key."""
TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address
"""Where a service account's key is used; the key itself is never sent."""
IMPERSONATION_URL: Final = "https://iamcredentials.googleapis.com"

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "service_account": ("client_email", "private_key"),
    "external_account": ("audience", "subject_token_type", "token_url", "credential_source"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
    "impersonated_service_account": ("service_account_impersonation_url", "source_credentials"),
}
"""Kind of file → the members without which google-auth makes nothing of it."""
_TEXTS: Final = frozenset({"client_email", "audience", "client_id", "client_secret", "refresh_token"})
_SOURCES: Final = ("service_account", "authorized_user")
"""What google-auth impersonates from."""
_ADDRESSES: Final = ("token_uri", "token_url", "token_info_url", "service_account_impersonation_url")
_REFUSED_SOURCES: Final[Mapping[str, str]] = {
    "executable": "runs a program",
    "certificate": "reads a certificate and its key from the pod's files",
    "environment_id": "signs with the pod's own identity at AWS",
}
_POOL: Final = re.compile(
    r"//iam\.googleapis\.com/projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+"
)
_GOOGLE: Final = ".googleapis.com"
_KIND: Final = re.compile(r"[a-z_]{1,40}")
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----")


def checked_credentials(keyring: Keyring, path: str, name: str, key: str, *, impersonates: bool) -> str:
    """The file as the proxy gets it. Raises UnusableError, whose message names members and hosts and no secret."""
    text = keyring.text(path, name, key)
    what = f"Secret {keyring.ref.namespace}/{name}, key {key}"
    try:
        file: Any = json.loads(text)
    except (ValueError, RecursionError):
        file = None
    if not isinstance(file, dict):
        message = f"{what}, is not JSON: put a credential file of Google's there, as gcloud and the console write it"
        raise UnusableError(path, Reason.SECRET_INVALID, message)
    checking = _Checking(keyring, path, what)
    checking.check_kind(file, tuple(_NEEDED), "")
    urls = list(checking.addresses(file, ""))
    keyring.meant_for(path, name, [*urls, IMPERSONATION_URL] if impersonates else urls)
    if _takes_the_pods_token(file, keyring):
        checking.check_pool(file["audience"])
    result = _for_the_proxy(file, text, keyring)
    if keyring.foreign and keyring.audiences:
        checking.check_google(urls)
    return result


class _Checking:
    """One file on its way."""

    def __init__(self, keyring: Keyring, path: str, what: str) -> None:
        self._keyring = keyring
        self._path = path
        self._what = what

    def check_kind(self, file: Mapping[str, Any], kinds: tuple[str, ...], where: str) -> None:
        kind = file.get("type")
        if not isinstance(kind, str) or kind not in kinds:
            told = f"is {kind}" if isinstance(kind, str) and _KIND.fullmatch(kind) else "is none that is known"
            raise self._refused(f"{where}type", f"{told}: take a file of type {', '.join(kinds[:-1])} or {kinds[-1]}")
        for member in _NEEDED[kind]:
            if not file.get(member) or (member in _TEXTS and not isinstance(file[member], str)):
                raise self._refused(f"{where}{member}", f"is missing, and type {kind} needs it: create the file anew")
        if kind == "service_account" and not is_private_key(file["private_key"]):
            raise self._refused(f"{where}private_key", "is no private key in PEM form: create the key anew")
        if kind == "impersonated_service_account":
            self.check_kind(self._object(file, "source_credentials", where), _SOURCES, f"{where}source_credentials.")
        if kind == "external_account":
            self._check_source(self._object(file, "credential_source", where), f"{where}credential_source.")

    def _object(self, file: Mapping[str, Any], member: str, where: str) -> Mapping[str, Any]:
        value = file[member]
        if not isinstance(value, dict):
            raise self._refused(f"{where}{member}", "is no object: create the file anew")
        return value

    def _check_source(self, source: Mapping[str, Any], where: str) -> None:
        for member, does in _REFUSED_SOURCES.items():
            if member in source:
                way_out = "take file, which is the pod's own token, or url, or podIdentity"
                raise self._refused(f"{where}{member}", f"{does}, which no gateway does: {way_out}")
        if not any(member in source for member in ("file", "url")):
            raise self._refused(f"{where}file", "is missing, and so is url: create the file anew")

    def addresses(self, file: Mapping[str, Any], where: str) -> Iterator[str]:
        """Where the file's secrets, and what they are exchanged for, are sent."""
        if file["type"] == "authorized_user" or (file["type"] == "service_account" and "token_uri" not in file):
            # google-auth sends what an authorized user has nowhere else.
            yield TOKEN_URL
        for member in _ADDRESSES:
            if file.get(member):
                yield self._address(file[member], f"{where}{member}")
        if file["type"] == "external_account":
            source = file["credential_source"]
            if source.get("url"):
                yield self._address(source["url"], f"{where}credential_source.url")
        if file["type"] == "impersonated_service_account":
            yield from self.addresses(file["source_credentials"], f"{where}source_credentials.")

    def _address(self, value: Any, member: str) -> str:
        host = host_of(value) if isinstance(value, str) else ""
        if not host or not str(value).startswith(("https://", "http://")):
            raise self._refused(member, "is no http:// or https:// URL: create the file anew")
        ref = self._keyring.ref
        refused = url_finding(ref, self._path, value, self._keyring.egress)
        if refused is not None:
            way_out = (
                "" if "allowLoopback" in refused.message else ", or use podIdentity, which may reach the cloud's own"
            )
            raise self._refused(member, f"leads there: {refused.message}{way_out}", Reason.ADDRESS_REFUSED)
        insecure = plain_http_finding(ref, self._path, value, f"{member} of the credential file")
        if insecure is not None:
            self._keyring.findings.append(insecure)
        return str(value)

    def check_pool(self, audience: str) -> None:
        """The pods' token is made for what is named here, and so it is a pool of Google's and nothing else."""
        if not _POOL.fullmatch(audience):
            why = "is no workload identity pool's: it has to be //iam.googleapis.com/projects/NUMBER/locations/global/"
            raise self._refused("audience", f"{why}workloadIdentityPools/POOL/providers/PROVIDER")

    def check_google(self, urls: Iterable[str]) -> None:
        """The pods' token is the gateway's: a binding of another namespace has it exchanged at Google alone."""
        for url in urls:
            if not host_of(url).endswith(_GOOGLE):
                why = f"leads to {host_of(url)}: a binding of another namespace has the gateway's token exchanged at"
                way_out = f"{why} hosts that end with {_GOOGLE} alone"
                raise self._refused("credential_source.file", way_out, Reason.POD_IDENTITY_NOT_ALLOWED)

    def _refused(self, member: str, why: str, reason: Reason = Reason.SECRET_INVALID) -> UnusableError:
        return UnusableError(self._path, reason, f"{self._what}: {member} {why}")


def _takes_the_pods_token(file: Mapping[str, Any], keyring: Keyring) -> bool:
    """Files of other kinds may hold a `credential_source` of any form: it says nothing there."""
    return keyring.pods and file["type"] == "external_account" and "file" in file["credential_source"]


def _for_the_proxy(file: dict[str, Any], text: str, keyring: Keyring) -> str:
    """With the address that google-auth wants named, and the pod's own token in place of a file: the pod's other files
    are none of the credential's business."""
    if _takes_the_pods_token(file, keyring):
        own = {"file": keyring.token_file(token_audience(file["audience"]))}
        return json.dumps(file | {"credential_source": own})
    whole = _with_address(file)
    return text if whole is file else json.dumps(whole)


def _with_address(file: dict[str, Any]) -> dict[str, Any]:
    """The same file where it has one."""
    if file["type"] == "service_account" and "token_uri" not in file:
        return file | {"token_uri": TOKEN_URL}
    if file["type"] == "impersonated_service_account":
        source = _with_address(file["source_credentials"])
        return file if source is file["source_credentials"] else file | {"source_credentials": source}
    return file


def token_audience(provider: str) -> str:
    """The audience that a workload identity pool's provider takes unless told otherwise: its name as an https URL
    ("Configure Workload Identity Federation with Kubernetes", cloud.google.com/iam/docs)."""
    return f"https:{provider}"


def is_private_key(text: Any) -> bool:
    """Checks the armour and that DER is inside, not the key."""
    match = _PRIVATE_KEY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return False
    try:
        return base64.b64decode("".join(match[1].split()), validate=True)[:1] == b"0"
    except (binascii.Error, ValueError):
        return False
