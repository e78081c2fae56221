"""One identity provider: where to send a browser, and who comes back."""

import asyncio
import base64
import hmac
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from gateway_config.contract import IdentityProvider
from gateway_proxy.identity.oidc import entra, google
from gateway_proxy.identity.oidc.calls import Answered, Calls, succeeded
from gateway_proxy.identity.oidc.discovery import Discovered, discover
from gateway_proxy.identity.oidc.failures import (
    ProviderRefusedError,
    ProviderUnavailableError,
    SignInRefusedError,
    misconfigured,
    unreachable,
)
from gateway_proxy.identity.oidc.fetched import Fetched
from gateway_proxy.identity.oidc.keys import IssuerKeys, fetch_keys
from gateway_proxy.identity.oidc.people import forgets, has_all, person_of
from gateway_proxy.identity.oidc.tokens import Clock, TokenError, audiences, check_times, parse, verify
from gateway_proxy.identity.person import Person
from gateway_proxy.outbound.client import Outbound

MAX_REFRESH_TOKEN: Final = 16 * 1024
JUDGING_SECONDS: Final = 12.0
"""For keys, userinfo and groups together, once the tokens are there. With the token endpoint's own ten and five for
the discovery document, a refresh ends before a claim on the session does."""
_PERSON_IS_OUT: Final = frozenset(
    {"invalid_grant", "access_denied", "interaction_required", "login_required", "consent_required"}
)
"""What a token endpoint says to a refresh token of somebody who has left, or has to sign in again."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    person: Person
    refresh_token: str | None = field(repr=False)
    """None where the provider gave none; after a refresh the one to use next, which may be the one that was sent."""


class IdentityProviderClient:
    """Keeps the provider's discovery document and keys. Made in any thread, used on one event loop."""

    def __init__(
        self,
        provider: IdentityProvider,
        outbound: Outbound,
        *,
        client_secret: str | None = None,
        google_key: str | None = None,
        now: Clock = time.time,
    ) -> None:
        """`client_secret`, `google_key`: the values that the configuration names. Raises ValueError for a key that
        cannot be read."""
        self.provider = provider
        self.outbound = outbound
        self._secret = client_secret
        self._now = now
        self._calls = Calls(outbound, ca_pem=provider.ca_pem, use_proxy=provider.use_proxy)
        self._discovered = Fetched(f"the discovery document of {provider.name}", self._discover)
        self._keys = Fetched(f"the keys of {provider.name}", self._fetch_keys)
        self._directory: google.Directory | None = None
        if provider.google_groups is not None and google_key is not None:
            self._directory = google.Directory(self._calls, provider.google_groups, google_key, now=now)

    @property
    def name(self) -> str:
        return self.provider.name

    async def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, code_challenge: str) -> str:
        """Where to send the browser; `code_challenge` is S256. Raises ProviderUnavailableError."""
        provider = self.provider
        discovered = await self._discovered.get()
        scopes = list(dict.fromkeys(("openid", *provider.scopes)))
        extra = dict(provider.extra_auth_params)
        if "offline_access" in scopes and discovered.scopes is not None and "offline_access" not in discovered.scopes:
            scopes.remove("offline_access")
            if provider.issuer == google.ISSUER:
                extra = {**google.OFFLINE, **extra}
        parameters = {
            **extra,
            "response_type": "code",
            "response_mode": "query",
            "client_id": provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(scopes),
            "state": state,
            "nonce": nonce,
        }
        if provider.pkce:
            parameters |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
        address, _, query = _authorization(discovered).partition("?")
        kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in parameters]
        return f"{address}?{urlencode([*kept, *parameters.items()])}"

    async def authorization_origins(self) -> tuple[str, ...]:
        """Where a form that leads to the provider may end up, for a page's form-action. Raises
        ProviderUnavailableError."""
        parts = urlsplit(_authorization(await self._discovered.get()))
        return tuple(dict.fromkeys((f"{parts.scheme}://{parts.netloc}", *self.provider.form_action_origins)))

    async def exchange(
        self, *, code: str, redirect_uri: str, code_verifier: str, nonce: str, issuer: str | None = None
    ) -> SignedIn:
        """Who came back with this code. `issuer` is the callback's own `iss`, None where it has none (RFC 9207: an
        answer of another provider is refused). Raises SignInRefusedError, ProviderUnavailableError."""
        discovered = await self._discovered.get()
        if issuer != self.provider.issuer and (issuer is not None or discovered.names_issuer):
            raise self._invalid_token("the callback comes from another issuer, or does not say from which")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if self.provider.pkce:
            form["code_verifier"] = code_verifier
        answered = await self._ask_for_tokens(discovered, form)
        if answered.status != 200:
            self._refuse_code(answered)
        members = succeeded(answered)
        person = await self._in_time(self._arrived_person(discovered, members, nonce))
        return SignedIn(person, _refresh_token(members))

    async def refresh(self, refresh_token: str, *, subject: str | None = None, known: Person | None = None) -> SignedIn:
        """Who the token's holder is now. `subject` is whom the session belongs to: somebody else is refused. `known` is
        the person as last told, None where nothing vouches for that.

        Raises ProviderRefusedError where the person is out, ProviderUnavailableError where that cannot be told; the
        latter may carry a new refresh token to keep.
        """
        discovered = await self._discovered.get()
        answered = await self._ask_for_tokens(
            discovered, {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )
        said = (answered.members or {}).get("error")
        if 400 <= answered.status < 500 and isinstance(said, str) and said in _PERSON_IS_OUT:
            raise ProviderRefusedError(
                "IdentityProviderRefused",
                f"{self.name} does not know your sign-in any more. Sign in again.",
                answered.said(),
            )
        members = succeeded(answered)
        newest = _refresh_token(members) or refresh_token
        try:
            person = await self._in_time(self._refreshed_person(discovered, members, subject, known))
        except ProviderUnavailableError as error:
            error.refresh_token = newest
            raise
        except ProviderRefusedError:
            raise
        except SignInRefusedError as error:
            raise ProviderRefusedError(error.reason, error.sentence, error.detail) from error
        return SignedIn(person, newest)

    async def _arrived_person(self, discovered: Discovered, members: Mapping[str, Any], nonce: str) -> Person:
        try:
            claims = await self._claims(members.get("id_token"))
        except TokenError as error:
            raise self._invalid_token(str(error)) from error
        named = claims.get("nonce")
        if not isinstance(named, str) or not hmac.compare_digest(named.encode(), nonce.encode()):
            raise self._invalid_token("its nonce is not that of this sign-in")
        return await self._person(discovered, members, claims)

    async def _refreshed_person(
        self, discovered: Discovered, members: Mapping[str, Any], subject: str | None, known: Person | None
    ) -> Person:
        identified = members.get("id_token") is not None
        if identified:
            try:
                claims = await self._claims(members["id_token"])
            except TokenError as error:
                raise misconfigured(f"{self.name}: the identity token of a refresh cannot be used: {error}") from error
        else:
            claims = await self._userinfo(discovered, members)
        if subject is not None and claims.get("sub") != subject:
            raise ProviderRefusedError(
                "IdentityTokenInvalid",
                f"What {self.name} answered belongs to somebody else. Sign in again.",
                f"{self.name}: a refresh gave another subject than the one that signed in",
            )
        person = await self._person(discovered, members, claims)
        if not identified and forgets(self.provider, claims, person, known):
            raise misconfigured(
                f"{self.name}: a refresh gave no identity token, and the userinfo endpoint lacks claims that the "
                "sign-in had: let it tell claims.groups and claims.email, or let a refresh give an identity token"
            )
        return person

    # --- asking the provider ---

    async def _discover(self) -> Discovered:
        found = await discover(self._calls, self.provider.issuer, self.provider.discovery_url)
        _authorization(found)
        _token_endpoint(found)
        return found

    async def _fetch_keys(self) -> IssuerKeys:
        return await fetch_keys(self._calls, (await self._discovered.get()).keys)

    async def _ask_for_tokens(self, discovered: Discovered, form: dict[str, str]) -> Answered:
        client_id, secret = self.provider.client_id, self._secret
        authorization: str | None = None
        if secret is None or self.provider.token_endpoint_auth_method == "none":  # noqa: S105  # a method
            form["client_id"] = client_id
        elif self._sends_secret_in_form(discovered):
            form |= {"client_id": client_id, "client_secret": secret}
        else:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"  # RFC 6749, section 2.3.1
            authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answered = await self._calls.form(_token_endpoint(discovered), form, authorization=authorization)
        if answered.status >= 500 or answered.status == 429:
            raise unreachable(answered.said())
        return answered

    def _sends_secret_in_form(self, discovered: Discovered) -> bool:
        chosen, offered = self.provider.token_endpoint_auth_method, discovered.token_auth_methods
        if chosen is not None:
            return chosen == "client_secret_post"
        return offered is not None and "client_secret_basic" not in offered and "client_secret_post" in offered

    async def _userinfo(self, discovered: Discovered, members: Mapping[str, Any]) -> Mapping[str, Any]:
        token = _access_token(members)
        if discovered.userinfo is None or token is None:
            raise misconfigured(f"{self.name} has no userinfo endpoint, or gave no access token for it")
        return await self._calls.document(discovered.userinfo, authorization=f"Bearer {token}")

    async def _in_time(self, judging: Awaitable[Person]) -> Person:
        try:
            async with asyncio.timeout(JUDGING_SECONDS):
                return await judging
        except TimeoutError:
            raise unreachable(f"{self.name} took too long to tell its keys, or who the person is") from None

    # --- judging what it says ---

    async def _claims(self, id_token: Any) -> Mapping[str, Any]:
        """Of an identity token that is the provider's, for us and in time (OpenID Connect Core, section 3.1.3.7)."""
        provider = self.provider
        if not isinstance(id_token, str):
            raise TokenError("Malformed", "the token endpoint gave no identity token")
        token = parse(id_token)
        try:
            verify(token, await self._keys.get(), provider.signing_algorithms)
        except TokenError as error:
            if error.cause != "UnknownKey":
                raise
            verify(token, await self._keys.newer(), provider.signing_algorithms)
        claims = token.claims
        if claims.get("iss") != provider.issuer:
            raise TokenError("Issuer", "it is another issuer's")
        if not isinstance(claims.get("sub"), str):
            raise TokenError("Claims", "it has no subject")
        named, party = audiences(claims), claims.get("azp")
        ours = {provider.client_id, *provider.additional_authorized_parties}
        if provider.client_id not in named or not ours.issuperset(named):
            raise TokenError("Audience", "its audience is another client, or further ones besides this")
        if not isinstance(party, str | None) or (party not in ours if party is not None else len(named) > 1):
            raise TokenError("Audience", "it was given to another client (azp)")
        check_times(claims, now=self._now(), skew=provider.clock_skew_seconds, needs_issue_time=True)
        return claims

    async def _person(self, discovered: Discovered, members: Mapping[str, Any], claims: Mapping[str, Any]) -> Person:
        provider = self.provider
        groups: list[str] | None = None
        if self._directory is not None:
            groups = await self._directory.groups(str(claims.get("sub")))
        elif left_out := entra.left_out(claims, provider.group_claims):
            if left_out != {entra.GROUPS}:
                raise entra.overage(provider, "the token leaves a group claim out that no directory tells")
            told = await entra.all_groups(
                self._calls, provider, access_token=_access_token(members), graph_host=discovered.graph_host
            )
            claims = {**claims, entra.GROUPS: told}
        if provider.userinfo_fallback and "id_token" in members and not has_all(provider, claims):
            further = await self._userinfo(discovered, members)
            if further.get("sub") != claims.get("sub"):
                raise self._invalid_token("the userinfo endpoint speaks of somebody else")
            claims = {**further, **claims}
        return person_of(provider, claims, groups=groups)

    def _refuse_code(self, answered: Answered) -> NoReturn:
        if (answered.members or {}).get("error") == "invalid_grant":
            raise SignInRefusedError(
                "SignInCodeRefused", "This sign-in took too long, or was used already. Start it again.", answered.said()
            )
        raise SignInRefusedError(
            "IdentityProviderMisconfigured",
            f"This gateway's registration at {self.name} is not right. Ask your gateway's administrator.",
            answered.said(),
        )

    def _invalid_token(self, problem: str) -> SignInRefusedError:
        return SignInRefusedError(
            "IdentityTokenInvalid",
            f"What {self.name} answered cannot be trusted. Start the sign-in again; if that does not help, ask your "
            "gateway's administrator.",
            f"{self.name}: the identity token cannot be used: {problem}",
        )


def _authorization(discovered: Discovered) -> str:
    if discovered.authorization is None:
        raise misconfigured("the discovery document has no authorization_endpoint")
    return discovered.authorization


def _token_endpoint(discovered: Discovered) -> str:
    if discovered.token is None:
        raise misconfigured("the discovery document has no token_endpoint")
    return discovered.token


def _access_token(members: Mapping[str, Any]) -> str | None:
    token = members.get("access_token")
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else None


def _refresh_token(members: Mapping[str, Any]) -> str | None:
    token = members.get("refresh_token")
    return token if isinstance(token, str) and 0 < len(token) <= MAX_REFRESH_TOKEN else None
