"""Google Cloud: the OAuth token endpoint, the Security Token Service of workload identity pools, the impersonation of
service accounts, and the metadata server."""

import time
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from tests.standins.token_endpoints.server import Asked, Reply, Service

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"
TOKEN_URI = "https://oauth2.googleapis.com/token"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@dataclass
class Project:
    """What Google knows."""

    keys: dict[str, RSAKey] = field(default_factory=dict)
    """By the service account's email."""
    subject_tokens: dict[str, str] = field(default_factory=dict)
    """What a pool's provider takes, by its audience."""
    impersonators: dict[str, set[str]] = field(default_factory=dict)
    """Whose tokens may be used to impersonate an email: names of identities."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Issued, and whose they are."""

    def issue(self, whose: str) -> str:
        token = f"ya29.google-token-canary-{len(self.tokens) + 1}"
        self.tokens[token] = whose
        return token


def refused(status: int, code: str, message: str) -> Reply:
    """As Google's APIs have it."""
    return status, {"error": {"code": status, "message": message, "status": code}}


class OAuth(Service):
    """oauth2.googleapis.com/token: a JWT that the service account's key has signed, or a user's refresh token."""

    def __init__(self, project: Project, token_uri: str = TOKEN_URI) -> None:
        super().__init__()
        self.project, self.token_uri = project, token_uri
        self.refresh_token: str | None = None

    def serves(self, host: str, path: str) -> bool:
        return f"https://{host}{path}" == self.token_uri

    def answer(self, asked: Asked) -> Reply:
        form = asked.form
        if not asked.tls or asked.method != "POST":
            asked.problems.append(f"{asked.method} with TLS {asked.tls}")
        if form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") != self.refresh_token:
                return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            return self._issued("a user")
        if form.get("grant_type") != _JWT_BEARER:
            return 400, {"error": "unsupported_grant_type"}
        for email, key in self.project.keys.items():
            try:
                claims: dict[str, Any] = jwt.decode(form.get("assertion", ""), key, algorithms=["RS256"]).claims
            except JoseError:
                continue
            asked.problems += self._problems(claims, email)
            return self._issued(email)
        return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}

    def _problems(self, claims: dict[str, Any], email: str) -> list[str]:
        found = []
        # Whatever the address, the library names Google's own.
        if claims.get("iss") != email or claims.get("aud") != TOKEN_URI:
            found.append(f"a JWT of {claims.get('iss')} for {claims.get('aud')}")
        if claims.get("scope") not in (SCOPE, IAM_SCOPE):
            found.append(f"scope {claims.get('scope')}")
        if not claims.get("iat", 0) - 60 < time.time() < claims.get("exp", 0) <= claims.get("iat", 0) + 3600:
            found.append("a JWT that is not of now")
        return found

    def _issued(self, whose: str) -> Reply:
        return 200, {
            "access_token": self.project.issue(whose),
            "expires_in": int(self.seconds),
            "token_type": "Bearer",
        }


class SecurityTokens(Service):
    """sts.googleapis.com: the token of somebody else's issuer for one of Google's."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.project = project

    def serves(self, host: str, path: str) -> bool:
        return host == "sts.googleapis.com"

    def answer(self, asked: Asked) -> Reply:
        form = asked.form
        if (asked.tls, asked.method, asked.path) != (True, "POST", "/v1/token"):
            asked.problems.append(f"{asked.method} {asked.path} with TLS {asked.tls}")
        wanted = {"grant_type": _EXCHANGE, "requested_token_type": _ACCESS_TOKEN}
        asked.problems += [f"{name} {form.get(name)}" for name, value in wanted.items() if form.get(name) != value]
        if form.get("scope") not in (SCOPE, IAM_SCOPE):
            asked.problems.append(f"scope {form.get('scope')}")
        if form.get("audience") not in self.project.subject_tokens:
            return 400, {"error": "invalid_target", "error_description": "The target service does not exist."}
        if form.get("subject_token") != self.project.subject_tokens[form["audience"]]:
            return 400, {"error": "invalid_grant", "error_description": "The ID Token is not valid."}
        return 200, {
            "access_token": self.project.issue(form["audience"]),
            "issued_token_type": _ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": int(self.seconds),
        }


class Impersonation(Service):
    """iamcredentials.googleapis.com."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.project = project

    def serves(self, host: str, path: str) -> bool:
        return host == "iamcredentials.googleapis.com"

    def answer(self, asked: Asked) -> Reply:
        email = asked.path.removeprefix("/v1/projects/-/serviceAccounts/").removesuffix(":generateAccessToken")
        if not asked.tls or not asked.path.endswith(":generateAccessToken"):
            asked.problems.append(f"{asked.path} with TLS {asked.tls}")
        if asked.json().get("scope") != [SCOPE]:
            asked.problems.append(f"scope {asked.json().get('scope')}")
        whose = self.project.tokens.get((asked.header("authorization") or "").removeprefix("Bearer "))
        if whose is None:
            return refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if whose not in self.project.impersonators.get(email, ()):
            return refused(403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied")
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.seconds))
        return 200, {"accessToken": self.project.issue(email), "expireTime": expires}


class Metadata(Service):
    """The metadata server, under /computeMetadata of the plain server."""

    EMAIL = "gateway@project.iam.gserviceaccount.com"

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.project = project

    def serves(self, host: str, path: str) -> bool:
        return path.startswith("/computeMetadata/")

    def answer(self, asked: Asked) -> Reply:
        flavor = {"metadata-flavor": "Google"}
        if asked.tls or asked.header("metadata-flavor") != "Google":
            asked.problems.append("not as a metadata server is asked")
            return 403, b"missing header", flavor
        accounts = "/computeMetadata/v1/instance/service-accounts"
        if asked.path == f"{accounts}/default/":
            return 200, {"email": self.EMAIL, "scopes": [SCOPE], "aliases": ["default"]}, flavor
        if asked.path == f"{accounts}/default/token":
            if asked.query.get("scopes") != SCOPE:
                asked.problems.append(f"scopes {asked.query.get('scopes')}")
            token = {"access_token": self.project.issue(self.EMAIL), "token_type": "Bearer"}
            return 200, {**token, "expires_in": int(self.seconds)}, flavor
        return 404, b"", flavor
