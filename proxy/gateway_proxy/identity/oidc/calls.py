"""Requests to an identity provider, and what its answers may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from gateway_proxy.identity.oidc.claims import one_line
from gateway_proxy.identity.oidc.failures import misconfigured, unreachable
from gateway_proxy.outbound.client import Outbound, OutboundError

ACCEPT: Final = "application/json, application/jwk-set+json"
"""The API server of Kubernetes answers 406 where the type of its keys is not named."""
FORM: Final = "application/x-www-form-urlencoded"
SECONDS: Final = 5.0
"""For a document; somebody waits for a page meanwhile."""
FORM_SECONDS: Final = 10.0
"""For a form: giving up early would lose the tokens that the answer brings."""
_SECRET_FIELDS: Final = ("code", "code_verifier", "refresh_token", "client_secret", "assertion")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, with its JSON object where it is one."""

    status: int
    members: Mapping[str, Any] | None
    where: str
    """Method and address without query, for messages."""
    sent: tuple[str, ...] = field(default=(), repr=False)
    """Secrets, should the provider repeat them."""

    def said(self) -> str:
        """What the provider gives as the error, for a log."""
        members = self.members or {}
        parts = [members.get("error"), members.get("error_description")]
        text = ": ".join(part for part in parts if isinstance(part, str))
        for secret in self.sent:
            text = text.replace(secret, "…")
        return one_line(f"{self.where} was answered {self.status}{f' ({text})' if text else ''}")


class Calls:
    """To one provider: with its certificates, through the proxy or not."""

    def __init__(self, outbound: Outbound, *, ca_pem: str | None = None, use_proxy: bool = True) -> None:
        self._outbound = outbound
        self._ca_pem = ca_pem
        self._use_proxy = use_proxy

    async def document(self, url: str, *, authorization: str | None = None) -> Mapping[str, Any]:
        """The JSON object at an address; raises ProviderUnavailableError for any other answer."""
        headers = {"authorization": authorization} if authorization else {}
        answered = await self.call("GET", url, headers=headers)
        return succeeded(answered)

    async def form(self, url: str, fields: Mapping[str, str], *, authorization: str | None = None) -> Answered:
        """The answer to a form; raises ProviderUnavailableError where there is none."""
        headers = {"content-type": FORM}
        if authorization:
            headers["authorization"] = authorization
        answered = await self.call("POST", url, headers=headers, body=urlencode(fields).encode(), seconds=FORM_SECONDS)
        return replace(answered, sent=tuple(fields[name] for name in _SECRET_FIELDS if fields.get(name)))

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, seconds: float = SECONDS
    ) -> Answered:
        where = f"{method} {url.partition('?')[0]}"
        try:
            answer = await self._outbound.request(
                method,
                url,
                headers={"accept": ACCEPT, **headers},
                body=body,
                ca_pem=self._ca_pem,
                use_proxy=self._use_proxy,
                seconds=seconds,
            )
        except OutboundError as error:
            raise unreachable(f"{where}: {error}") from error
        try:
            value = orjson.loads(answer.body)
        except ValueError:
            value = None
        return Answered(answer.status, value if isinstance(value, dict) else None, where)


def succeeded(answered: Answered) -> Mapping[str, Any]:
    """The members of a good answer; raises ProviderUnavailableError."""
    if answered.status >= 500 or answered.status == 429:
        raise unreachable(answered.said())
    if answered.status != 200:
        raise misconfigured(answered.said())
    if answered.members is None:
        raise misconfigured(f"{answered.where} was answered without a JSON object")
    return answered.members


def secure(url: Any) -> bool:
    """Whether an address that a document names may be called or sent to: https, or http on the machine itself."""
    if not isinstance(url, str) or len(url) > 2048 or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1"))
