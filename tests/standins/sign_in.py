"""Gateways that people sign in to: pods of one gateway that share a store, a device that signs in, its tokens.

with SignInWorld(folder, idp) as world:
    tokens = world.sign_in()
    world.refresh(tokens)
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import trustme
from tests.standins import framing
from tests.standins.gateway import Gateway, eventually
from tests.standins.identity_provider import CLIENT_ID, IdentityProvider
from tests.standins.manifests import (
    GATEWAY,
    NAMESPACE,
    Manifest,
    binding,
    compiled,
    deployment,
    developer_key,
    policy,
    secret,
)
from tests.standins.ports import free_port
from tests.standins.raw_client import Response, fetch
from tests.standins.web_person import Page, WebPerson

from gateway_config import bundle
from gateway_config.contract import SigningKey

FORM = ("content-type", "application/x-www-form-urlencoded")
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT_SECRET = "client-secret-canary-77e0"
REVOKED_SECONDS = 6.0
"""Until every pod refuses a session that was ended. Two are promised; machines that run tests are busy."""
ADMIN_KEY = "cga_" + base64.urlsafe_b64encode(hashlib.sha256(b"an admin key").digest()).decode().rstrip("=")


def signing_secret(kid: str) -> str:
    """The same for every test run, so that a canary search knows it."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"signing key {kid}".encode()).digest()).decode().rstrip("=")


def admin_key(expires: str | None = None) -> Manifest:
    data = {"sha256": hashlib.sha256(ADMIN_KEY.encode()).hexdigest(), "name": "ops"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "admin-ops", "namespace": NAMESPACE, "labels": {"claude-gateway.dev/gateway": GATEWAY}},
        "type": "claude-gateway.dev/admin-key",
        "stringData": data | ({"expires": expires} if expires else {}),
    }


def oidc(name: str, issuer: str, **members: Any) -> dict[str, Any]:
    given = {
        "name": name,
        "issuer": issuer,
        "clientID": CLIENT_ID,
        "clientSecretRef": {"name": "idp", "key": "value"},
        "scopes": ["openid", "email", "groups", "offline_access"],
    }
    return given | members


class Pod(Gateway):
    """A proxy whose configuration holds signing keys, as the operator's does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.kids: dict[str, str] = {"k1": "Sign"}
        """kid → use."""

    def load(self, manifests: Iterable[Manifest], *, wait: bool = True) -> str:
        self._loaded = list(manifests)
        result = compiled(self._loaded)
        assert result.configuration is not None
        keys = tuple(
            SigningKey.model_validate(
                {
                    "kid": kid,
                    "name": f"signing.keys/{kid}",
                    "sha256": hashlib.sha256(signing_secret(kid).encode()).hexdigest(),
                    "use": use,
                }
            )
            for kid, use in sorted(self.kids.items())
        )
        configuration = result.configuration.model_copy(update={"signing_keys": keys})
        values = {f"signing.keys/{kid}": signing_secret(kid) for kid in self.kids}
        self._sequence += 1
        files = bundle.pack(configuration, credentials=result.credentials | values, sequence=self._sequence)
        self.mount_files(files)
        if wait and self.running:
            self.wait_for_sequence(self._sequence)
        revision: str = json.loads(files[bundle.INDEX_FILE])["revision"]
        return revision


@dataclass(frozen=True, slots=True)
class Device:
    """A client that waits for its person."""

    device_code: str = field(repr=False)
    user_code: str
    answer: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    answer: Mapping[str, Any] = field(repr=False)


class SignInWorld:
    """Pods of one gateway, on one store; an identity provider; a device and a browser."""

    def __init__(
        self, folder: Path, idp: IdentityProvider, *, upstream: str = "http://127.0.0.1:9", pods: int = 1
    ) -> None:
        self.folder, self.idp, self.upstream = folder, idp, upstream
        self.more: tuple[Manifest, ...] = ()
        self.spec: dict[str, Any] = {}
        """What every configuration of this world has besides."""
        self.tls: ssl.SSLContext | None = None
        self.ports = [free_port() for _ in range(pods)]
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        """The public URL, which leads to the first pod."""
        idp.client_secret = CLIENT_SECRET
        idp.redirect_uri = f"{self.url}/oauth/callback"
        self.pods = [Pod(folder / f"pod-{number}") for number in range(pods)]

    @property
    def gateway(self) -> Pod:
        return self.pods[0]

    def manifests(self, *more: Manifest, **spec: Any) -> list[Manifest]:
        given: dict[str, Any] = {
            "publicURL": self.url,
            "identity": {"oidc": [oidc("corporate", self.idp.issuer)]},
            "store": {"type": "Embedded"},
            # What is not about limits may sign in as often as it likes.
            "http": {
                "signInRateLimits": {
                    "deviceAuthorizationsPer10Minutes": 100_000,
                    "codeSubmissionsPer10Minutes": 100_000,
                }
            },
        }
        return [
            deployment(**given | self.spec | spec),
            secret(),
            secret("idp", CLIENT_SECRET),
            binding("anthropic", self.upstream),
            policy("engineers", matches=[{"groups": ["engineering"]}], availableModels=["claude-sonnet-5-5"]),
            developer_key("robot@corp.example", "engineering"),
            admin_key(),
            *self.more,
            *more,
        ]

    def trust(self, authority: trustme.CA) -> None:
        """The pods are to be started with a certificate of this authority."""
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)
        for pod in self.pods:
            pod.tls = self.tls

    def load(self, *more: Manifest, **spec: Any) -> None:
        for pod in self.pods:
            pod.load(self.manifests(*more, **spec))

    def start(self, *arguments: str) -> None:
        state = str(self.folder / "state")
        for pod, port in zip(self.pods, self.ports, strict=True):
            if not pod.running:
                pod.start("--listen", f"127.0.0.1:{port}", "--state-dir", state, *arguments)
                # A pod is ready before its store is: sign-ins are 503 until then.
                eventually(lambda pod=pod: pod.metric("claude_gateway_store_available") == 1, what="the store ready")

    def __enter__(self) -> Self:
        self.load()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pod in self.pods:
            pod.stop()

    def begin_test(self) -> None:
        for pod in self.pods:
            pod.kids = {"k1": "Sign"}
            pod.begin_test(self.manifests())
        self.start()

    def end_test(self) -> None:
        for pod in self.pods:
            pod.end_test()

    def line(self, event: str, *, pod: int = 0, **members: Any) -> dict[str, Any]:
        """The newest audit line of this event that holds these members; waits for it."""

        def found() -> dict[str, Any] | None:
            lines = reversed(self.pods[pod].audit(event))
            return next((line for line in lines if members.items() <= line.items()), None)

        line: dict[str, Any] = eventually(found, what=f"an audit line {event} with {members}")
        return line

    # --- a device --------------------------------------------------------------------------------

    def post(self, path: str, fields: Mapping[str, str], *, pod: int = 0, headers: framing.Headers = ()) -> Response:
        body = urlencode(fields).encode()
        return fetch(self.ports[pod], "POST", path, headers=[FORM, *framing.pairs(headers)], body=body, tls=self.tls)

    def begin(self, *, pod: int = 0) -> Device:
        answer = self.post("/oauth/device_authorization", {"surface": "claude_code"}, pod=pod)
        assert answer.status == 200, answer
        said = answer.json()
        return Device(said["device_code"], said["user_code"], said)

    def poll(self, device: Device, *, pod: int = 0) -> Response:
        return self.post("/oauth/token", {"grant_type": DEVICE_GRANT, "device_code": device.device_code}, pod=pod)

    def redeem(self, device: Device, *, pod: int = 0) -> Tokens:
        return tokens_of(self.poll(device, pod=pod))

    def approve(self, device: Device, person: WebPerson | None = None) -> Page:
        """In a browser, to the last page."""
        page = (person or WebPerson()).open(f"{self.url}/device")
        return page.submit("Continue", user_code=device.user_code)

    def sign_in(self, *, pod: int = 0) -> Tokens:
        device = self.begin(pod=pod)
        page = self.approve(device)
        assert page.status == 200, page.text
        return self.redeem(device, pod=pod)

    def refresh(self, token: str, *, pod: int = 0) -> Response:
        return self.post("/oauth/token", {"grant_type": "refresh_token", "refresh_token": token}, pod=pod)

    def models(self, access: str, *, pod: int = 0) -> Response:
        """The cheapest request that needs a session."""
        return fetch(
            self.ports[pod],
            "GET",
            "/v1/models?limit=1000",
            headers=[("authorization", f"Bearer {access}")],
            tls=self.tls,
        )

    # --- an administrator ------------------------------------------------------------------------

    def sessions(self, query: str = "", *, key: str = ADMIN_KEY, pod: int = 0) -> Response:
        return fetch(self.ports[pod], "GET", f"/v1/organizations/sessions{query}", headers=[("x-api-key", key)])

    def revoke(self, target: Mapping[str, Any], *, key: str = ADMIN_KEY, pod: int = 0) -> Response:
        headers = [("x-api-key", key), ("content-type", "application/json")]
        body = json.dumps(target).encode()
        return fetch(self.ports[pod], "POST", "/v1/organizations/sessions/revoke", headers=headers, body=body)


def tokens_of(answer: Response) -> Tokens:
    assert answer.status == 200, answer
    said = answer.json()
    return Tokens(said["access_token"], said["refresh_token"], said)


def session_of(tokens: Tokens) -> str:
    """The id of the session, as anybody reads it in the token."""
    payload = tokens.access.split(".")[1]
    found: str = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sid"]
    return found
