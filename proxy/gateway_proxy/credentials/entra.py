"""Tokens of Microsoft Entra: for an application's client secret, or for the pod's own token that is federated with an
application. By azure-identity; its requests go the gateway's way out."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from gateway_config.upstream_credentials import EntraClient, EntraCredential
from gateway_proxy.credentials.library import About, Web, fetched
from gateway_proxy.credentials.renewing import Fetched, Renewing
from gateway_proxy.credentials.values import bearer, pod_token
from gateway_proxy.outbound.client import Outbound, OutboundError
from gateway_proxy.upstream.errors import CredentialError

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
"""What the endpoints of Foundry take tokens for, as the official SDK asks for them."""
_WHAT: Final = "the Microsoft Entra token"
_OF_POD: Final = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE")
"""What the webhook of Azure Workload Identity puts into a pod's environment."""
_WAYS_OUT: Final[Mapping[str, str]] = {
    "AADSTS7000215": "the secret is not the application's: put the secret's value, not its id, into the Secret",
    "AADSTS7000222": "the application's secret has expired: create another",
    "AADSTS700016": "no application with this client id in this tenant: is tenantID right?",
    "AADSTS900023": "tenantID is neither a tenant's id nor its domain",
    "AADSTS90002": "there is no such tenant: is tenantID right?",
    "AADSTS70021": "add a federated credential to the application for this cluster's issuer and the pod's service "
    "account",
    "AADSTS700211": "add a federated credential to the application for this cluster's issuer",
    "AADSTS700213": "add a federated credential to the application for the pod's service account",
    "AADSTS700212": "the federated credential wants another audience than the pod's token has",
    "AADSTS700024": "the pod's projected token has expired: is it still renewed by its kubelet?",
    "AADSTS53003": "a Conditional Access policy refuses the application",
    "unauthorized_client": "the application may not do this: is it the one that the role was given to?",
    "invalid_client": "the application's credential is refused",
}


def entra_token(credential: EntraCredential, values: Sequence[str], *, outbound: Outbound) -> Renewing[bytes]:
    """An `authorization` line. `values`: those of `values_of`. To be called in a thread: it imports azure-identity,
    which takes a quarter of a second."""
    import azure.identity  # noqa: F401

    secret = values[0] if credential.client is not None else None
    return Renewing(partial(_fetch, credential.client, secret, outbound), what=_WHAT)


async def _fetch(client: EntraClient | None, secret: str | None, outbound: Outbound) -> Fetched[bytes]:
    """Raises CredentialError."""
    what = f"{_WHAT} of client {client.client_id}" if client is not None else f"{_WHAT} of the pod"
    about = About(what, _WAYS_OUT, (secret,) if secret else ())
    return await fetched(partial(_of_library, client, secret, what), outbound=outbound, about=about)


def _of_library(client: EntraClient | None, secret: str | None, what: str, web: Web) -> Fetched[bytes]:
    """In a thread. Raises what azure-identity raises, and CredentialError."""
    from azure.identity import ClientAssertionCredential, ClientSecretCredential

    # A credential is made anew each time: one that is kept answers out of its cache until few minutes are left.
    options: dict[str, Any] = {"transport": _transport(web), "retry_total": 1}
    made: ClientAssertionCredential | ClientSecretCredential
    if client is not None:
        # Discovery of instances asks whether the authority is one: it is the library's own, or the environment's.
        options["disable_instance_discovery"] = True
        made = ClientSecretCredential(client.tenant_id, client.client_id, secret or "", **options)
    else:
        tenant, application, token_file = _pods_application(what)
        made = ClientAssertionCredential(tenant, application, lambda: pod_token(token_file, what), **options)
    token = made.get_token(SCOPE)
    return Fetched(bearer(token.token, what=what), float(token.expires_on))


def _pods_application(what: str) -> list[str]:
    """Tenant, client id and token file. Raises CredentialError."""
    missing = [name for name in _OF_POD if not os.environ.get(name)]
    if missing:
        raise CredentialError(
            f"{what}: the pod's environment has no {', '.join(missing)}: label the pods and annotate their service "
            "account for Azure Workload Identity, or put a client secret into a Secret"
        )
    return [os.environ[name] for name in _OF_POD]


def _transport(web: Web) -> Any:
    """What azure-core sends requests by."""
    from azure.core.exceptions import ServiceRequestError
    from azure.core.pipeline.transport import HttpResponse, HttpTransport

    class Response(HttpResponse):
        def __init__(self, request: Any, status: int, headers: Mapping[str, str], body: bytes) -> None:
            super().__init__(request, None)
            self.status_code, self.headers, self._body = status, dict(headers), body
            self.content_type = headers.get("content-type")

        def body(self) -> bytes:
            return self._body

    class Transport(HttpTransport[Any, Any]):
        def send(self, request: Any, **_: object) -> Response:
            form = request.content if hasattr(request, "content") else request.body
            text = urlencode(form) if isinstance(form, dict) else form
            try:
                answer = web.request(
                    request.method,
                    request.url,
                    headers=dict(request.headers),
                    body=text.encode() if isinstance(text, str) else text,
                )
            except OutboundError as error:
                raise ServiceRequestError("no answer") from error
            return Response(request, answer.status, answer.headers, answer.body)

        def open(self) -> None: ...

        def close(self) -> None: ...

        def __enter__(self) -> "Transport":
            return self

        def __exit__(self, *_: object) -> None: ...

    return Transport()
