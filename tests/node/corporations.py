"""A gateway of several pods on Postgres, at which developers sign in through an ingress proxy that ends TLS."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml
from tests.node.gateways import NodeGateway
from tests.node.ingress_proxies import IngressProxy
from tests.node.kubernetes import ADDRESS, eventually, reference, run
from tests.oidc_provider.provider import CLIENT_SECRET, OpenIDProvider, openid_provider
from tests.standins.ports import free_port
from tests.standins.postgres import PostgresServer
from tests.standins.raw_client import fetch
from tests.standins.web_person import WebPerson

HOST = "claude.corp.example"
COMMAND = str(Path(sys.executable).with_name("claude-gateway"))
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class Corporation:
    """Everything around a gateway: its address, the identity provider and who trusts whom."""

    gateway: NodeGateway
    provider: OpenIDProvider
    url: str
    authority: Path
    """The certificates that everybody here trusts, as PEM."""
    admin_key: str

    def person(self) -> WebPerson:
        return WebPerson(trusts=ssl.create_default_context(cafile=str(self.authority)))

    def send(self, path: str, **fields: str) -> dict[str, Any]:
        """A form, as the client sends it; the JSON of the answer."""
        answer = self.person().send("post", f"{self.url}{path}", fields, self.url)
        found: dict[str, Any] = json.loads(answer.html)
        return found

    def session(self, *arguments: str) -> Any:
        """`claude-gateway session …`, its JSON."""
        environment = {
            **os.environ,
            "CLAUDE_GATEWAY_URL": self.url,
            "CLAUDE_GATEWAY_ADMIN_KEY": self.admin_key,
            "SSL_CERT_FILE": str(self.authority),
        }
        command = [COMMAND, "session", *arguments, "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
        return json.loads(done.stdout)

    def statuses(self, token: str) -> set[int]:
        """What every ready pod says to a session's token, each asked by its own address."""
        headers = [("authorization", f"Bearer {token}")]
        return {
            fetch(8080, "GET", "/v1/models?limit=1000", headers=headers, host=pod["status"]["podIP"]).status
            for pod in self.gateway.ready_pods()
        }

    def begin(self) -> dict[str, Any]:
        """A new sign-in."""
        return self.send("/oauth/device_authorization", surface="claude_code")

    def sign_in(self, user: str) -> dict[str, Any]:
        """The tokens of a new session, as the client gets them."""
        began = self.begin()
        page = self.person().open(began["verification_uri"]).submit("Continue", user_code=began["user_code"])
        assert self.provider.sign_in(page, user).status == 200
        return self.tokens(began["device_code"])

    def tokens(self, device_code: str) -> dict[str, Any]:
        """What the client gets once the person has signed in. Raises `TimeoutError`."""

        def granted() -> dict[str, Any] | None:
            answer = self.send("/oauth/token", grant_type=DEVICE_GRANT, device_code=device_code)
            return answer if "access_token" in answer else None

        found = eventually(granted, within=30, what="the client gets its tokens")
        assert found is not None
        return found


@contextmanager
def known_host(folder: Path, address: str, name: str) -> Iterator[None]:
    """The name is known in this node's mount namespace, and nowhere else."""
    hosts = folder / "hosts"
    hosts.write_text(Path("/etc/hosts").read_text() + f"\n{address} {name}\n")
    run("mount", "--bind", str(hosts), "/etc/hosts")
    try:
        yield
    finally:
        run("umount", "/etc/hosts")


def admin_key(gateway: NodeGateway) -> tuple[Mapping[str, Any], str]:
    """The Secret as `claude-gateway key create --admin` writes it, and the key."""
    command = [COMMAND, "key", "create", "--admin", "ops", "--gateway", gateway.name, "--namespace", gateway.namespace]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    (key,) = [word for word in done.stderr.split() if word.startswith("cga_")]
    manifest: Mapping[str, Any] = yaml.safe_load(done.stdout)
    return manifest, key


@contextmanager
def corporation(make: Callable[..., NodeGateway], namespace: str, folder: Path, *, pods: int) -> Iterator[Corporation]:
    """make: `make(namespace=, more=, **spec)` applies a gateway and waits until it is ready, as the fixture `gateways`
    does. folder: for everything around it."""
    port = free_port(ADDRESS)
    url = f"https://{HOST}:{port}"
    trust = trustme.CA()
    authority, pem = folder / "authority.pem", folder / "server.pem"
    trust.cert_pem.write_to_path(str(authority))
    trust.issue_cert(HOST, ADDRESS).private_key_and_cert_chain_pem.write_to_path(str(pem))
    with ExitStack() as stack:
        stack.enter_context(known_host(folder, ADDRESS, HOST))
        postgres = PostgresServer(ADDRESS)
        stack.callback(postgres.remove)
        database = postgres.url(postgres.database(), host=ADDRESS)
        callback = f"{url}/oauth/callback"
        provider = stack.enter_context(
            openid_provider(redirect_uri=callback, groups=["engineering"], host=ADDRESS, certificate=pem)
        )
        trusted = {"name": "authority", "key": "ca.crt", "kind": "ConfigMap"}
        oidc = provider.manifest(caRef=trusted)
        key = ""

        def admin(gateway: NodeGateway) -> Any:
            nonlocal key
            manifest, key = admin_key(gateway)
            return manifest

        def config_map(gateway: NodeGateway) -> Any:
            named = reference("v1", "ConfigMap", gateway.namespace, "authority")
            return named | {"data": {"ca.crt": authority.read_text()}}

        more: list[Callable[[NodeGateway], Any]] = [
            lambda it: it.secret(name="idp", value=CLIENT_SECRET),
            lambda it: it.secret(name="database", value=database),
            config_map,
            admin,
        ]
        gateway = make(
            namespace=namespace,
            more=more,
            publicURL=url,
            replicas=pods,
            exposure={"type": "Ingress"},
            identity={"oidc": [oidc]},
            store={"type": "Postgres", "postgres": {"urlSecretRef": {"name": "database", "key": "value"}}},
        )
        gateway.wait_pods(pods)
        ingress = gateway.child("networking.k8s.io/v1", "Ingress")
        assert ingress is not None
        backend = f"{gateway.host}:{gateway.port}"
        stack.enter_context(IngressProxy(ingress, backend=backend, folder=folder, port=port, certificate=pem))
        made = Corporation(gateway, provider, url, authority, key)
        # a pod is ready before its store is
        eventually(lambda: "device_code" in made.begin(), within=30, what="sign-ins may begin")
        yield made
