"""Tokens of Google Cloud: for a credential file, for the pod's own identity, or for a service account that is
impersonated from either. By google-auth; its requests go the gateway's way out."""

import datetime
import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway_config.upstream_credentials import GoogleCredential
from gateway_proxy.credentials.library import About, Web, fetched
from gateway_proxy.credentials.renewing import Fetched, Renewing
from gateway_proxy.credentials.values import bearer
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.upstream.errors import CredentialError

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_WHAT: Final = "the Google Cloud token"
_FILE_OF_POD: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_NAME_LENGTH: Final = 320
"""An email address's most; a longer name is none, and would fill every line of the log."""
_METADATA: Final = "metadata.google.internal"
_WAYS_OUT: Final[Mapping[str, str]] = {
    "invalid_grant": "the key is no longer the service account's, or this machine's clock is wrong: create a new key, "
    "or sign in anew for a user's file",
    "invalid_target": "audience does not name a provider of a workload identity pool",
    "invalid_client": "the file's client is not known any more: create the file anew",
    "unauthorized_client": "the service account may not have tokens of this scope",
    "access_denied": "the pool's provider does not take this token: look at its attribute condition",
    "PERMISSION_DENIED": "grant this identity roles/iam.serviceAccountTokenCreator, or for a workload identity "
    "roles/iam.workloadIdentityUser, on the service account, and enable iamcredentials.googleapis.com",
    "NOT_FOUND": "there is no such service account",
}


def google_token(credential: GoogleCredential, values: Sequence[str], *, outbound: Outbound) -> Renewing[bytes]:
    """An `authorization` line. `values`: those of `values_of`. To be called in a thread: it imports google-auth, which
    takes a fifth of a second."""
    import google.auth.compute_engine
    import google.auth.identity_pool
    import google.auth.impersonated_credentials
    import google.oauth2.service_account  # noqa: F401

    text = values[0] if credential.service_account is not None else None
    return Renewing(partial(_fetch, credential, text, outbound), what=_WHAT)


async def _fetch(credential: GoogleCredential, text: str | None, outbound: Outbound) -> Fetched[bytes]:
    """Raises CredentialError."""
    whose = f"as {credential.impersonate}" if credential.impersonate is not None else ""
    if text is not None:
        file = _file(text, "the Secret's value")
        what = " ".join(filter(None, (_WHAT, _named(file), whose)))
        about = About(what, _WAYS_OUT, tuple(_secrets(file)))
        return await fetched(partial(_of_library, credential, file, what), outbound=outbound, about=about)
    what = " ".join(filter(None, (_WHAT, "of the pod", whose)))
    return await fetched(
        partial(_of_library, credential, None, what),
        outbound=outbound,
        about=About(what, _WAYS_OUT),
        direct={_metadata_host()},
    )


def _file(text: str, what: str) -> dict[str, Any]:
    """Raises CredentialError; its text holds nothing of the file."""
    try:
        file = json.loads(text)
    except (ValueError, RecursionError):
        file = None
    if not isinstance(file, dict):
        raise CredentialError(f"{_WHAT}: {what} is no credential file of Google's in JSON")
    return file


def _named(file: Mapping[str, Any]) -> str:
    """Whose a file is, where it tells."""
    name = file.get("client_email") or file.get("audience")
    fits = isinstance(name, str) and name.isprintable() and 0 < len(name) <= _NAME_LENGTH
    return f"of {name}" if fits else "of the credential file"


def _secrets(file: Mapping[str, Any]) -> list[str]:
    names = ("private_key", "client_secret", "refresh_token")
    found = [value for name in names if isinstance(value := file.get(name), str) and value]
    source = file.get("source_credentials")
    return found + (_secrets(source) if isinstance(source, dict) else [])


def _of_library(credential: GoogleCredential, file: dict[str, Any] | None, what: str, web: Web) -> Fetched[bytes]:
    """In a thread. Raises what google-auth raises, and CredentialError."""
    made = _of_file(file, what) if file is not None else _of_pod(what)
    if credential.impersonate is not None:
        from google.auth.impersonated_credentials import Credentials

        made = Credentials(source_credentials=made, target_principal=credential.impersonate, target_scopes=[SCOPE])
    made.refresh(_Transport(web))
    expiry = made.expiry.replace(tzinfo=datetime.UTC).timestamp() if made.expiry is not None else None
    return Fetched(bearer(made.token, what=what), expiry)


def _of_file(file: dict[str, Any], what: str) -> Any:
    """google-auth's own loader asks for the project on the way, with HTTP of its own. Raises ValueError and others."""
    match file.get("type"):
        case "service_account":
            return _service_account(file, what)
        case "external_account":
            from google.auth.identity_pool import Credentials as PoolIdentity

            source = file.get("credential_source")
            if isinstance(source, dict) and isinstance(source.get("file"), str):
                _read(source["file"], f"{what}: the pod's token")
            return PoolIdentity.from_info(file, scopes=[SCOPE])
        case "impersonated_service_account":
            from google.auth.impersonated_credentials import Credentials as Impersonated

            return Impersonated.from_impersonated_service_account_info(file, scopes=[SCOPE])
        case "authorized_user":
            from google.oauth2.credentials import Credentials as User

            return User.from_authorized_user_info(file)
        case kind:
            raise CredentialError(f"{what}: a credential file of type {str(kind)[:40]!r} is none that is known")


def _service_account(file: Mapping[str, Any], what: str) -> Any:
    """google-auth's own loader checks that the key's primes are some, which holds the interpreter, and with it the
    event loop, for 40 ms at each fetch. A key that is none makes signatures that Google refuses."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from google.auth.crypt import RSASigner
    from google.oauth2.service_account import Credentials

    try:
        key = load_pem_private_key(file["private_key"].encode(), None, unsafe_skip_rsa_key_validation=True)
        signer = RSASigner(key, file.get("private_key_id"))
    except (KeyError, AttributeError, TypeError, ValueError):
        raise CredentialError(f"{what}: private_key is no RSA key in PEM form: create the key anew") from None
    return Credentials(
        signer,
        service_account_email=file.get("client_email"),
        token_uri=file.get("token_uri") or _TOKEN_URI,
        scopes=[SCOPE],
        universe_domain=file.get("universe_domain") or "googleapis.com",
    )


def _of_pod(what: str) -> Any:
    """In the order of Google's own libraries: a file that the environment names, the metadata server."""
    path = os.environ.get(_FILE_OF_POD)
    if path:
        return _of_file(_file(_read(path, f"{what}: the file"), path), what)
    from google.auth.compute_engine import Credentials

    return Credentials(scopes=[SCOPE])


def _read(path: str, what: str) -> str:
    """Raises CredentialError."""
    try:
        return Path(path).read_text()
    except (OSError, ValueError) as error:
        raise CredentialError(f"{what} {path} cannot be read: {type(error).__name__}") from None


def _metadata_host() -> str:
    return os.environ.get("GCE_METADATA_HOST") or os.environ.get("GCE_METADATA_ROOT") or _METADATA


class _Answer(NamedTuple):
    """As google-auth reads one."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _UnavailableError(Exception):
    """Not of the kinds that google-auth tries again after sleeping: a fetch that fails is repeated anyway."""


class _Transport:
    """What google-auth sends requests by."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> _Answer:
        """Raises OutboundError and _UnavailableError, which go through google-auth as they are."""
        answer = self._web.request(
            method, url, headers=headers or {}, body=body.encode() if isinstance(body, str) else body
        )
        if answer.status >= 500 or answer.status == 429:
            raise _UnavailableError
        return _Answer(answer.status, answer.headers, answer.body)
