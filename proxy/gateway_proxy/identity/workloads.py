"""Workload tokens: CI jobs and pods present the signed token that they have from their own issuer."""

import hashlib
import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway_config.callers import Caller
from gateway_config.contract import WorkloadIssuer, WorkloadRule
from gateway_proxy import errors
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.oidc import claims as values
from gateway_proxy.identity.oidc.calls import Calls
from gateway_proxy.identity.oidc.discovery import discover
from gateway_proxy.identity.oidc.failures import ProviderUnavailableError
from gateway_proxy.identity.oidc.fetched import Fetched
from gateway_proxy.identity.oidc.keys import ALGORITHMS, IssuerKeys, fetch_keys
from gateway_proxy.identity.oidc.tokens import (
    Clock,
    TokenError,
    UnverifiedToken,
    audiences,
    check_times,
    looks_signed,
    parse,
    verify,
)
from gateway_proxy.identity.principal import Principal
from gateway_proxy.outbound.client import Outbound

SKEW_SECONDS: Final = 60.0
"""How far an issuer's clock may be off."""
MAX_VERIFIED: Final = 10_000
"""Tokens that are known to be good, until they expire; beyond, the one that came first is verified again."""

_TYPES: Final = ("jwt", "at+jwt")
_CLAIM: Final = re.compile(r"\{([^{}]+)\}")


class IssuerSource:
    """Where an issuer's keys come from."""

    def __init__(self, issuer: str, outbound: Outbound) -> None:
        self._issuer = issuer
        self._calls = Calls(outbound)
        self.keys = Fetched(f"the keys of {issuer}", self._fetch)

    async def _fetch(self) -> IssuerKeys:
        return await fetch_keys(self._calls, (await discover(self._calls, self._issuer)).keys)


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    until: float
    """Unix seconds."""


class WorkloadTokens:
    """The workload issuers of one configuration. What they take from the one before them is as good as it was there."""

    def __init__(
        self,
        issuers: Sequence[WorkloadIssuer],
        outbound: Outbound,
        *,
        previous: "WorkloadTokens | None" = None,
        now: Clock = time.time,
    ) -> None:
        self._issuers = tuple(issuers)
        self._outbound = outbound
        self._now = now
        known = previous if previous is not None and previous._outbound is outbound else None
        sources: dict[str, IssuerSource] = known._sources if known is not None else {}
        self._sources: dict[str, IssuerSource] = {
            one.issuer: sources.get(one.issuer) or IssuerSource(one.issuer, outbound) for one in self._issuers
        }
        self._verified: dict[bytes, _Verified] = (
            known._verified if known is not None and known._issuers == self._issuers else {}
        )

    def find(self, presented: str) -> Principal | Awaitable[Principal] | None:
        """See Recogniser. To await only where the issuer's keys have to be fetched."""
        if not looks_signed(presented):
            return None
        digest = hashlib.sha256(presented.encode()).digest() if presented.isascii() else b""
        known = self._verified.get(digest)
        if known is not None:
            if known.until > self._now():
                return known.principal
            del self._verified[digest]
        try:
            token = parse(presented, types=_TYPES)
        except TokenError:
            return None
        issuer = token.claims.get("iss")
        source = self._sources.get(issuer) if isinstance(issuer, str) else None
        if source is None:
            return None
        keys = source.keys.at_hand()
        if keys is not None:
            try:
                return self._judged(digest, token, keys)
            except _UnknownKeyError:
                pass
        return self._with_newer_keys(digest, token, source)

    async def _with_newer_keys(self, digest: bytes, token: UnverifiedToken, source: IssuerSource) -> Principal:
        name = self._configured(token)[0].name
        try:
            return self._judged(digest, token, await source.keys.newer())
        except ProviderUnavailableError as error:
            raise errors.workload_issuer_unavailable(name) from error
        except _UnknownKeyError as error:
            raise errors.workload_token_invalid(name, str(error)) from error

    def _judged(self, digest: bytes, token: UnverifiedToken, keys: IssuerKeys) -> Principal:
        """The principal, remembered. Raises GatewayError (401), _UnknownKeyError."""
        configured = self._configured(token)
        name = configured[0].name
        try:
            verify(token, keys, ALGORITHMS)
            check_times(token.claims, now=self._now(), skew=SKEW_SECONDS, needs_issue_time=False)
            named = audiences(token.claims)
        except TokenError as error:
            if error.cause == "UnknownKey":
                raise _UnknownKeyError(str(error)) from error
            raise _refusal(name, error) from error
        meant = [one for one in configured if one.audience in named]
        if not meant:
            raise errors.workload_token_audience(name, configured[0].audience)
        expires = int(token.claims["exp"])
        principal = _principal(meant[0], token.claims, expires)
        while len(self._verified) >= MAX_VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = _Verified(principal, expires + SKEW_SECONDS)
        return principal

    def _configured(self, token: UnverifiedToken) -> list[WorkloadIssuer]:
        return [one for one in self._issuers if one.issuer == token.claims["iss"]]


class _UnknownKeyError(Exception):
    """The issuer may have published another key since."""


def _refusal(name: str, error: TokenError) -> GatewayError:
    if error.cause == "Expired":
        return errors.workload_token_expired(name)
    if error.cause == "Audience":
        return errors.workload_token_invalid(name, "it names no audience")
    return errors.workload_token_invalid(name, str(error))


def _principal(issuer: WorkloadIssuer, claims: Mapping[str, Any], expires: int) -> Principal:
    """Raises GatewayError (401)."""
    rule = next((one for one in issuer.rules if _holds(one, claims)), None)
    if rule is None:
        raise errors.workload_token_unmatched(issuer.name)
    user = _CLAIM.sub(lambda found: _filled(issuer.name, claims, found[1]), rule.user)
    problem = values.plain_problem(user)
    if problem is not None:
        raise errors.workload_token_invalid(issuer.name, f"the user id that its rule makes of it {problem}")
    caller = Caller(user=user, groups=frozenset(rule.groups), workload=issuer.name)
    fields = {"auth": "workload_token", "sub": user, "workload": issuer.name}
    return Principal(caller=caller, expires=expires, audit_fields=fields)


def _holds(rule: WorkloadRule, claims: Mapping[str, Any]) -> bool:
    """Whether every claim has its value; a list has it among its own."""
    for name, wanted in rule.match.items():
        value = values.find(claims, name)
        if wanted not in [values.matching_text(one) for one in (value if isinstance(value, list) else [value])]:
            return False
    return True


def _filled(name: str, claims: Mapping[str, Any], claim: str) -> str:
    text = values.matching_text(values.find(claims, claim))
    if not text:
        raise errors.workload_token_invalid(name, f"it has no {claim}, which the rule's user id is made of")
    return text
