"""Google: groups come from the Workspace directory, and refresh tokens are asked for in Google's own way.

Sources: developers.google.com/identity/protocols/oauth2/service-account (domain-wide delegation) and
developers.google.com/workspace/admin/directory/reference/rest/v1/groups/list.
"""

import time
from typing import Final
from urllib.parse import urlencode

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from gateway_config.contract import GoogleGroups
from gateway_proxy.identity.oidc import claims as values
from gateway_proxy.identity.oidc.calls import Calls, succeeded
from gateway_proxy.identity.oidc.claims import ClaimError
from gateway_proxy.identity.oidc.failures import SignInRefusedError, misconfigured
from gateway_proxy.identity.oidc.people import MAX_GROUPS
from gateway_proxy.identity.oidc.tokens import Clock

ISSUER: Final = "https://accounts.google.com"
OFFLINE: Final = {"access_type": "offline", "prompt": "consent"}
"""In place of the scope offline_access, which Google refuses. Without the prompt only a first sign-in gets a refresh
token."""

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address
GROUPS_URL: Final = "https://admin.googleapis.com/admin/directory/v1/groups"
SCOPE: Final = "https://www.googleapis.com/auth/admin.directory.group.readonly"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PAGE: Final = 200
"""Google's largest."""
_LIFE_SECONDS: Final = 3600
_MARGIN_SECONDS: Final = 120


class Directory:
    """Groups of a Workspace's people, read as the configured administrator."""

    def __init__(self, calls: Calls, settings: GoogleGroups, key: str, *, now: Clock = time.time) -> None:
        """`key`: a service account's key in Google's JSON form; raises ValueError where it is none."""
        self._calls = calls
        self._admin = settings.admin_email
        self._now = now
        try:
            members = orjson.loads(key)
            self._account = str(members["client_email"])
            self._key = RSAKey.import_key(members["private_key"])
        except (ValueError, KeyError, TypeError, JoseError) as error:
            raise ValueError("the service account's key is not one in Google's JSON form") from error
        self._token = ""
        self._token_until = 0.0

    async def groups(self, subject: str) -> list[str]:
        """Addresses of the groups that a user, by Google's own id, is a direct member of. Raises SignInRefusedError
        for somebody outside the Workspace, else ProviderUnavailableError."""
        found: list[str] = []
        page = ""
        while True:
            query = {"userKey": subject, "maxResults": str(_PAGE)} | ({"pageToken": page} if page else {})
            answered = await self._calls.call(
                "GET",
                f"{GROUPS_URL}?{urlencode(query)}",
                headers={"authorization": f"Bearer {await self._access_token()}"},
            )
            if answered.status == 404:
                raise SignInRefusedError(
                    "NotInDirectory",
                    "Your Google account is not one of this organization. Sign in with your work account.",
                    f"{answered.said()}: the Workspace directory does not know the user",
                )
            if answered.status == 401:
                self._token = ""
            members = succeeded(answered)
            found += self._addresses(members.get("groups"))
            page = members.get("nextPageToken") or ""
            if not page:
                return found
            if not isinstance(page, str) or len(found) > MAX_GROUPS:
                raise SignInRefusedError(
                    "ClaimUnreadable",
                    "You are in more groups than this gateway takes. Ask your gateway's administrator.",
                    f"the Workspace directory lists more than {MAX_GROUPS} groups",
                )

    @staticmethod
    def _addresses(listed: object) -> list[str]:
        if listed is None:
            return []
        try:
            entries = [one if isinstance(one, dict) else {} for one in listed] if isinstance(listed, list) else [{}]
            return [address for entry in entries if (address := values.text(entry, "email")) is not None]
        except ClaimError as error:
            raise misconfigured(f"the Workspace directory's answer cannot be read: {error}") from error

    async def _access_token(self) -> str:
        now = self._now()
        if now < self._token_until and self._token:
            return self._token
        claims = {
            "iss": self._account,
            "sub": self._admin,
            "scope": SCOPE,
            "aud": TOKEN_URL,
            "iat": int(now),
            "exp": int(now) + _LIFE_SECONDS,
        }
        assertion = jwt.encode({"alg": "RS256", "typ": "JWT"}, claims, self._key, algorithms=["RS256"])
        members = succeeded(await self._calls.form(TOKEN_URL, {"grant_type": _GRANT, "assertion": assertion}))
        token, seconds = members.get("access_token"), members.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise misconfigured(f"POST {TOKEN_URL} gave no access token")
        self._token = token
        self._token_until = now + (seconds if isinstance(seconds, int) else 0) - _MARGIN_SECONDS
        return token
