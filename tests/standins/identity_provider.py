"""A stand-in for a corporate identity provider: it checks what it receives, and misbehaves on command.

with IdentityProvider() as idp:
    idp.claims["groups"] = ["engineering"]          # of whoever signs in
    idp.alter_token = lambda header, claims: ...    # of the next identity tokens
    idp.answers["/token"] = lambda request: (503, {})
"""

import base64
import hashlib
import hmac
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLIENT_ID = "claude-gateway"
CLIENT_SECRET = "client-secret-canary/+:% d5a1"
REDIRECT_URI = "https://claude.corp.example/oauth/callback"
DEADLINE = 15.0

PrivateKey = RSAKey | ECKey | OKPKey
Reply = tuple[int, Mapping[str, Any] | bytes]


@cache
def private_key(kid: str = "first", algorithm: str = "RS256") -> PrivateKey:
    """A key that stays the same for the whole test run: making one takes a tenth of a second."""
    if algorithm.startswith(("RS", "PS")):
        return RSAKey.generate_key(2048, {"kid": kid}, private=True)
    curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}.get(algorithm)
    return ECKey.generate_key(curve, {"kid": kid}) if curve else OKPKey.generate_key("Ed25519", {"kid": kid})


def signed(header: Mapping[str, Any], claims: Mapping[str, Any] | bytes, key: PrivateKey | bytes | None) -> str:
    """A token of any header and claims, however wrong. A key of bytes is HMAC's; None: the signature is empty."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = f"{_encoded(json.dumps(header).encode())}.{_encoded(payload)}"
    if isinstance(key, bytes):
        signature = hmac.digest(key, message.encode(), "sha256")
    elif key is None:
        signature = b""
    else:
        name = header["alg"] if header["alg"] not in ("none", None) else "RS256"
        signature = jws.JWSRegistry.algorithms[name].sign(message.encode(), key)
    return f"{message}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes
    form: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class _Grant:
    """What a code was given for."""

    query: dict[str, str]
    used: bool = False


class IdentityProvider:
    """The server. Whoever comes is signed in at once, as the person whom `claims` describe."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", redirect_uri: str = REDIRECT_URI
    ) -> None:
        self.redirect_uri = redirect_uri
        self.client_secret: str | None = CLIENT_SECRET
        """None: a public client."""
        self.auth_method = "client_secret_basic"
        """What the token endpoint takes."""
        self.pkce = True
        self._server = ThreadingHTTPServer((host, 0), _Handler)
        self._server.daemon_threads = True
        self._server.identity_provider = self  # type: ignore[attr-defined]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        name = "localhost" if tls is not None else host
        self.issuer = f"{'https' if tls else 'http'}://{name}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._changed = threading.Condition()
        self.begin_test()

    def begin_test(self) -> None:
        """As it was at the start: Alice, in engineering, with a healthy provider."""
        issuer = self.issuer
        self.claims: dict[str, Any] = {
            "sub": "00u-alice",
            "email": "alice@corp.example",
            "email_verified": True,
            "groups": ["engineering"],
        }
        self.userinfo: dict[str, Any] | None = None
        """None: the claims."""
        self.discovery: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "response_types_supported": ["code"],
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
        }
        self.algorithm = "RS256"
        self.kids = ["first"]
        """The last one signs."""
        self.answers: dict[str, Callable[[Asked], Reply | str]] = {}
        """By path: what is answered in place of the usual; text is an address to redirect to."""
        self.alter_token: Callable[[dict[str, Any], dict[str, Any]], str | None] = lambda header, claims: None
        """Changes an identity token's header and claims before it is signed, or gives another token."""
        self.token_answer: dict[str, Any] = {}
        """Members of the token endpoint's answer that are put in, or with None left out."""
        self.removed: set[str] = set()
        """Subjects of people who have left: no refresh token of theirs is good."""
        self.requests: list[Asked] = []
        self.problems: list[str] = []
        self._codes: dict[str, _Grant] = {}
        self._refresh_tokens: dict[str, str] = {}
        self._access_tokens: set[str] = set()

    # --- what tests use ---

    def sign_in(self, url: str) -> dict[str, str]:
        """What a browser brings back to the redirect URI when it is sent to `url`."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == self.discovery["authorization_endpoint"]
        return self.authorize(dict(parse_qsl(parts.query, strict_parsing=True)))

    def authorize(self, query: dict[str, str]) -> dict[str, str]:
        code = secrets.token_urlsafe(32)
        self._check_authorization(query)
        self._codes[code] = _Grant(query)
        answer = {"code": code, "state": query.get("state", "")}
        if self.discovery.get("authorization_response_iss_parameter_supported"):
            answer["iss"] = self.discovery["issuer"]
        return answer

    def token(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A signed token of any claims, as a CI system has one."""
        kid = self.kids[-1]
        full = {"alg": self.algorithm, "kid": kid, "typ": "JWT", **header}
        return signed(full, claims, private_key(kid, self.algorithm))

    def workload_token(self, audience: str, **claims: Any) -> str:
        now = int(time.time())
        usual = {"iss": self.issuer, "sub": "repo:corp/app", "aud": audience, "iat": now, "nbf": now, "exp": now + 300}
        return self.token({name: value for name, value in {**usual, **claims}.items() if value is not None})

    def keys(self) -> dict[str, Any]:
        listed = [private_key(kid, self.algorithm).as_dict(private=False) for kid in self.kids]
        return {"keys": [{**key, "use": "sig"} for key in listed]}

    def asked(self, path: str) -> int:
        return sum(one.path == path for one in self.requests)

    def wait_for(self, condition: Callable[[], bool], *, what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE), f"the identity provider never saw {what}"

    def __enter__(self) -> "IdentityProvider":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(DEADLINE)

    # --- the endpoints ---

    def reply(self, asked: Asked) -> Reply | str:
        """Status and JSON members, or an address to redirect to."""
        with self._changed:
            self.requests.append(asked)
            self._changed.notify_all()
        override = self.answers.get(asked.path)
        if override is not None:
            return override(asked)
        match asked.path:
            case "/.well-known/openid-configuration":
                return 200, self.discovery
            case "/keys":
                return 200, self.keys()
            case "/authorize":
                return f"{self.redirect_uri}?{urlencode(self.authorize(asked.query))}"
            case "/token":
                return self._token(asked)
            case "/userinfo":
                if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self._access_tokens:
                    return 401, {"error": "invalid_token"}
                return 200, self.userinfo if self.userinfo is not None else self.claims
        return 404, {"error": "not_found"}

    def _check_authorization(self, query: dict[str, str]) -> None:
        expected = {
            "response_type": "code",
            "response_mode": "query",
            "client_id": CLIENT_ID,
            "redirect_uri": self.redirect_uri,
        }
        for name, value in expected.items():
            if query.get(name) != value:
                self.problems.append(f"authorization: {name} is {query.get(name)!r}, not {value!r}")
        if "openid" not in query.get("scope", "").split():
            self.problems.append("authorization: no scope openid")
        for name in ("state", "nonce"):
            if len(query.get(name, "")) < 16:
                self.problems.append(f"authorization: {name} is too short")
        if self.pkce and (query.get("code_challenge_method") != "S256" or len(query.get("code_challenge", "")) != 43):
            self.problems.append("authorization: no S256 challenge")

    def _token(self, asked: Asked) -> Reply:
        if not self._client_is_known(asked):
            return 401, {"error": "invalid_client"}
        form = asked.form
        match form.get("grant_type"):
            case "authorization_code":
                grant = self._codes.get(form.get("code", ""))
                if grant is None or grant.used or form.get("redirect_uri") != grant.query.get("redirect_uri"):
                    return 400, {"error": "invalid_grant", "error_description": f"no such code: {form.get('code')}"}
                challenge = grant.query.get("code_challenge")
                digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                if challenge and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
                    return 400, {"error": "invalid_grant", "error_description": "the verifier is another"}
                grant.used = True
                return 200, self._tokens(grant.query.get("nonce"))
            case "refresh_token":
                subject = self._refresh_tokens.pop(form.get("refresh_token", ""), None)
                if subject is None or subject in self.removed:
                    return 400, {"error": "invalid_grant", "error_description": "the refresh token is no good"}
                return 200, self._tokens(None)
        return 400, {"error": "unsupported_grant_type"}

    def _client_is_known(self, asked: Asked) -> bool:
        basic, form = asked.headers.get("authorization"), asked.form
        if self.client_secret is None:
            return basic is None and "client_secret" not in form and form.get("client_id") == CLIENT_ID
        if self.auth_method == "client_secret_basic":
            pair = f"{quote_plus(CLIENT_ID)}:{quote_plus(self.client_secret)}"
            return basic == f"Basic {base64.b64encode(pair.encode()).decode()}" and "client_secret" not in form
        return basic is None and (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, self.client_secret)

    def _tokens(self, nonce: str | None) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, **self.claims}
        if nonce is not None:
            claims["nonce"] = nonce
        kid = self.kids[-1]
        header: dict[str, Any] = {"alg": self.algorithm, "kid": kid}
        token = self.alter_token(header, claims) or signed(header, claims, private_key(kid, self.algorithm))
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._access_tokens.add(access)
        self._refresh_tokens[refresh] = self.claims["sub"]
        usual = {"access_token": access, "token_type": "Bearer", "id_token": token, "refresh_token": refresh}
        return {name: value for name, value in {**usual, **self.token_answer}.items() if value is not None}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = DEADLINE

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        provider: IdentityProvider = self.server.identity_provider  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, path, dict(parse_qsl(query, keep_blank_values=True)), headers, body)
        if headers.get("content-type") == "application/x-www-form-urlencoded":
            asked.form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        answer = provider.reply(asked)
        if isinstance(answer, str):
            self._send(302, b"", location=answer)
            return
        status, members = answer
        content = members if isinstance(members, bytes) else json.dumps(members).encode()
        self._send(status, content)

    def _send(self, status: int, body: bytes, location: str | None = None) -> None:
        self.send_response(status)
        if location is not None:
            self.send_header("location", location)
        self.send_header("content-type", "application/json")
        self.send_header("cache-control", "no-store")
        self.send_header("connection", "close")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        return
