"""Credentials come from the pod or from a kubeconfig in any form, are renewed as they rotate, and are never shown."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import kopf
import pytest
import yaml
from aiohttp import web
from tests.cluster.api_server import ApiServer
from tests.kube.fake_server import config_map, fake_server, refuses, says
from tests.standins.authorities import TRAITS, Authority, Traits

from gateway_operator.kube import access as access_module
from gateway_operator.kube.access import AccessError, InClusterAccess, connected, found_access, kopf_login
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.connection import Connection, FixedAccess
from gateway_operator.kube.errors import UnauthorizedError, UnavailableError
from gateway_operator.kube.resources import NAMESPACES


@pytest.fixture
def service_account(tmp_path: Path, api_server: ApiServer) -> Path:
    folder = tmp_path / "service-account"
    folder.mkdir()
    (folder / "token").write_text(f"{api_server.token}\n")
    (folder / "ca.crt").write_bytes(api_server.certificate.read_bytes())
    (folder / "namespace").write_text("operators")
    return folder


def _kubeconfig(folder: Path, server: ApiServer, user: dict[str, Any], **cluster: Any) -> Path:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": server.url, "certificate-authority": str(server.certificate), **cluster},
            }
        ],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "main", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
            {"name": "other", "context": {"cluster": "c", "user": "u"}},
        ],
        "current-context": "main",
    }
    path.write_text(yaml.safe_dump(config))
    return path


async def _works(client: KubeClient) -> bool:
    return any(item["metadata"]["name"] == "default" for item in await client.list(NAMESPACES))


async def test_a_pod_uses_its_service_account(service_account: Path, api_server: ApiServer) -> None:
    host, port = api_server.url.removeprefix("https://").split(":")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    access = await found_access(environment=environment, service_account=service_account)
    async with KubeClient(access) as client:
        assert await _works(client)
        assert client.namespace == "operators"


@pytest.mark.parametrize("traits", TRAITS.values(), ids=TRAITS)
async def test_the_authority_of_any_cluster_is_trusted(tmp_path: Path, traits: Traits) -> None:
    cluster, other = Authority(traits), Authority(traits)
    (tmp_path / "token").write_text("token")
    (tmp_path / "ca.crt").write_text(cluster.pem)
    namespaces = {
        "kind": "NamespaceList",
        "metadata": {"resourceVersion": "1"},
        "items": [{"metadata": {"name": "default"}}],
    }
    async with fake_server(says(namespaces), tls=cluster.server()) as fake:
        async with KubeClient(InClusterAccess(server=fake.url, folder=tmp_path)) as client:
            assert await _works(client)
        (tmp_path / "ca.crt").write_text(other.pem)
        access = InClusterAccess(server=fake.url, folder=tmp_path)
        async with KubeClient(access, retry_seconds=0) as client:
            with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.list(NAMESPACES)


async def test_a_rotated_token_is_read_once_the_old_one_is_refused(
    service_account: Path, api_server: ApiServer
) -> None:
    good = (service_account / "token").read_text()
    (service_account / "token").write_text("old")
    access = InClusterAccess(server=api_server.url, folder=service_account)
    assert access.namespace == "operators"
    async with KubeClient(access) as client:
        with pytest.raises(UnauthorizedError):
            await client.list(NAMESPACES)
        (service_account / "token").write_text(good)
        assert await _works(client)


async def test_a_rotated_token_is_read_after_a_while(
    service_account: Path, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = InClusterAccess(server=api_server.url, folder=service_account)
    first = await access.connection()
    (service_account / "token").write_text("new")
    assert await access.connection() is first
    monkeypatch.setattr(access_module, "_FRESH_SECONDS", 0)
    assert (await access.connection()).authorization == "Bearer new"


async def test_a_token_that_is_missing_for_a_moment_is_kept(
    service_account: Path, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "_FRESH_SECONDS", 0)
    async with KubeClient(InClusterAccess(server=api_server.url, folder=service_account)) as client:
        assert await _works(client)
        (service_account / "token").unlink()
        assert await _works(client)


async def test_a_refused_creation_is_sent_again_with_new_credentials_only(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    (tmp_path / "token").write_text("old")
    seen = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        (tmp_path / "token").write_text("new")
        return await (says(config_map("a", 1)) if seen[-1] == "Bearer new" else refuses(401))(request)

    class Plain(InClusterAccess):
        def _read(self) -> Connection:
            return Connection(server=fake.url, authorization=f"Bearer {(tmp_path / 'token').read_text()}")

    async with fake_server(answer) as fake, KubeClient(Plain(server="", folder=tmp_path)) as client:
        await client.create(config_map("a", 1))
    assert seen == ["Bearer old", "Bearer new"]


async def test_a_kubeconfig_with_a_token(api_server: ApiServer) -> None:
    async with await connected(kubeconfig=api_server.kubeconfig) as client:
        assert await _works(client)
        assert client.namespace == "default"


@pytest.mark.parametrize("context", [None, "main", "other"])
async def test_the_namespace_is_that_of_the_context(tmp_path: Path, api_server: ApiServer, context: str | None) -> None:
    path = _kubeconfig(tmp_path, api_server, {"token": api_server.token})
    async with await connected(kubeconfig=path, context=context) as client:
        assert await _works(client)
        assert client.namespace == ("default" if context == "other" else "team")


async def test_a_kubeconfig_with_inline_certificate_and_server_name(tmp_path: Path, api_server: ApiServer) -> None:
    authority = {"certificate-authority-data": base64.b64encode(api_server.certificate.read_bytes()).decode()}
    path = _kubeconfig(tmp_path, api_server, {"token": api_server.token}, **authority)
    content = path.read_text().replace("127.0.0.1", "localhost")
    path.write_text(content.replace("- cluster:\n", "- cluster:\n    tls-server-name: 127.0.0.1\n"))
    async with await connected(kubeconfig=path) as client:
        assert await _works(client)


async def test_an_unverified_server_only_when_asked(tmp_path: Path, api_server: ApiServer) -> None:
    path = _kubeconfig(tmp_path, api_server, {"token": api_server.token}, **{"insecure-skip-tls-verify": True})
    config = yaml.safe_load(path.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    path.write_text(yaml.safe_dump(config))
    async with await connected(kubeconfig=path) as client:
        assert await _works(client)


async def test_an_exec_plugin_is_run_again_when_its_token_is_refused(tmp_path: Path, api_server: ApiServer) -> None:
    token, runs = tmp_path / "plugin-token", tmp_path / "runs"
    token.write_text("stale")
    plugin = tmp_path / "plugin"
    status = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "TOKEN"}}
    plugin.write_text(
        f"#!{sys.executable}\nfrom pathlib import Path\n"
        f"with Path({str(runs)!r}).open('a') as file: file.write('x')\n"
        f"print({json.dumps(status)!r}.replace('TOKEN', Path({str(token)!r}).read_text()))\n"
    )
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}
    async with await connected(kubeconfig=_kubeconfig(tmp_path, api_server, user)) as client:
        token.write_text(api_server.token)
        assert await _works(client)
        assert await _works(client)
    assert runs.read_text() == "xx"


async def test_an_exec_plugin_that_fails_is_named(tmp_path: Path, api_server: ApiServer) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such/plugin"}}
    with pytest.raises(AccessError, match="/no/such/plugin gave no credentials"):
        await connected(kubeconfig=_kubeconfig(tmp_path, api_server, user))


async def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"no kubeconfig at .*nowhere"):
        await connected(kubeconfig=tmp_path / "nowhere")
    with pytest.raises(AccessError, match=r"no kubeconfig at .*elsewhere"):
        await found_access(environment={"KUBECONFIG": str(tmp_path / "elsewhere")})


async def test_a_missing_context_is_named_without_a_token(tmp_path: Path, api_server: ApiServer) -> None:
    path = _kubeconfig(tmp_path, api_server, {"token": "canary-2204"})
    with pytest.raises(AccessError, match="absent") as caught:
        await connected(kubeconfig=path, context="absent")
    assert "canary-2204" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "[]", "a: [", "clusters: []\n", "users: [{user: {token: canary-9917}}]\ncontexts: [{}]\n"]
)
async def test_a_broken_kubeconfig_is_told_without_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken"
    path.write_text(content)
    with pytest.raises(AccessError, match="broken") as caught:
        await connected(kubeconfig=path)
    assert "canary" not in str(caught.value)


def test_credentials_are_not_in_a_repr() -> None:
    connection = Connection(server="https://x", authorization="Bearer canary-1", proxy="http://u:canary-2@p")
    assert "canary" not in repr(connection) + repr(FixedAccess(fixed=connection))


async def test_kopf_gets_the_same_credentials_and_new_ones_after_a_refusal(
    service_account: Path, api_server: ApiServer
) -> None:
    login = kopf_login(InClusterAccess(server=api_server.url, folder=service_account))
    given = await login(logger=None)
    async with (
        given.aiohttp_session as session,
        session.get(f"{given.server}/api/v1/namespaces/default") as response,
    ):
        assert response.status == 200
    with pytest.raises(kopf.PermanentError, match="no newer ones"):
        await login()
    (service_account / "token").write_text("new")
    renewed = await login()
    assert renewed.aiohttp_session.headers["Authorization"] == "Bearer new"
    await renewed.aiohttp_session.close()
    assert given.default_namespace == "operators"
