"""Credentials for the API server: of the pod's service account, or of a kubeconfig in any of its forms.

Both are read anew while the process runs: the kubelet rotates tokens, exec plugins hand out short-lived ones.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.connection import Access, Connection, tls_context
from gateway_operator.kube.errors import KubeError, UnavailableError
from gateway_operator.kube.expired_watches import told_as_events
from gateway_operator.kube.transport import USER_AGENT, new_session

if TYPE_CHECKING:
    import kopf

_logger = logging.getLogger(__name__)

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_FRESH_SECONDS: Final = 60.0
"""Credentials that can change are looked at again after this time, and at once after a 401."""


class AccessError(KubeError):
    """There are no credentials, or none that can be used. The message says where they were looked for."""


async def connected(*, kubeconfig: Path | None = None, context: str | None = None) -> KubeClient:
    """A client whose credentials have been read; the API server has not been asked anything yet.

    Without arguments those of the pod's service account where there is one, otherwise $KUBECONFIG or ~/.kube/config.
    Raises `AccessError`.
    """
    return KubeClient(await found_access(kubeconfig=kubeconfig, context=context))


async def found_access(
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    environment: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> Access:
    """As `connected`, the credentials alone."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    access: InClusterAccess | KubeconfigAccess
    if kubeconfig is None and context is None and host and port and (service_account / "token").exists():
        address = f"[{host}]" if ":" in host else host
        access = InClusterAccess(server=f"https://{address}:{port}", folder=service_account)
    else:
        paths = str(kubeconfig or environment.get("KUBECONFIG") or Path.home() / ".kube" / "config")
        if not _any_file(paths):
            raise AccessError(f"no kubeconfig at {paths}: name one with --kubeconfig or KUBECONFIG")
        access = KubeconfigAccess(paths=paths, context=context)
    try:
        await access.connection()
    except UnavailableError as error:
        raise AccessError(str(error)) from error
    return access


def _any_file(paths: str) -> bool:
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)


class InClusterAccess:
    """The service account of our own pod."""

    def __init__(self, *, server: str, folder: Path = SERVICE_ACCOUNT) -> None:
        self._server = server
        self._folder = folder
        self._tls = _Tls()
        self._known: Connection | None = None
        self._read_at = 0.0

    @property
    def namespace(self) -> str:
        try:
            return (self._folder / "namespace").read_text().strip() or "default"
        except OSError:
            return "default"

    async def connection(self, *, refused: Connection | None = None) -> Connection:
        now = time.monotonic()
        if self._known and now - self._read_at < _FRESH_SECONDS and refused != self._known:
            return self._known
        try:
            self._known = self._read()
        except (OSError, ValueError) as error:
            if not self._known:
                raise UnavailableError(f"service account in {self._folder}: {error}", reason="NoCredentials") from error
        self._read_at = now  # what was read before goes on being used: the kubelet may be exchanging the files
        return self._known

    def _read(self) -> Connection:
        token = (self._folder / "token").read_text().strip()
        if not token:
            raise ValueError("the token is empty")
        ca_file = self._folder / "ca.crt"
        return Connection(
            server=self._server,
            authorization=f"Bearer {token}",
            tls=self._tls.of(ca_file=ca_file),
        )


class KubeconfigAccess:
    """One context of a kubeconfig: tokens, client certificates, passwords, exec plugins, OIDC and GCP providers.

    `paths` is one file or several, as in KUBECONFIG. The files themselves are never written. Inline certificates and
    keys are kept in private temporary files until the process ends, since `ssl` reads them from nowhere else.
    """

    def __init__(self, *, paths: str, context: str | None = None) -> None:
        self._paths = paths
        self._context = context
        self._tls = _Tls()
        self._lock = asyncio.Lock()  # an exec plugin runs once, however many requests wait for it
        self._loader: Any = None
        self._known: Connection | None = None
        self._read_at = 0.0

    @property
    def namespace(self) -> str:
        context = self._loader.current_context.get("context") if self._loader else None
        return str((context or {}).get("namespace") or "default")

    async def connection(self, *, refused: Connection | None = None) -> Connection:
        if self._known and refused != self._known and not self._may_expire():
            return self._known
        async with self._lock:
            if self._known and refused != self._known and not self._may_expire():
                return self._known  # another request has just renewed it
            try:
                self._known = await self._read(anew=refused is not None)
            except Exception as error:  # noqa: BLE001 - the library raises whatever a broken file leads to
                if not self._known:
                    # and what it says can end in a whole user's entry, token and all
                    problem = f"{type(error).__name__}: {str(error).partition('{')[0]}"
                    where = f"kubeconfig {self._paths}, context {self._context or '(current)'}"
                    raise UnavailableError(f"{where}: {problem}", reason="NoCredentials") from None
                _logger.warning("kubeconfig %s: credentials could not be renewed", self._paths)
            self._read_at = time.monotonic()
            return self._known

    def _may_expire(self) -> bool:
        expires = hasattr(self._loader, "exec_plugin_expiry") or self._loader.provider in {"gcp", "oidc"}
        return expires and time.monotonic() - self._read_at >= _FRESH_SECONDS

    async def _read(self, *, anew: bool) -> Connection:
        # Imported only here: a pod does not need it
        from kubernetes.aio.client.configuration import Configuration
        from kubernetes.aio.config import load_kube_config

        read = Configuration()
        if self._loader is None or anew:
            self._loader = await load_kube_config(  # type: ignore[no-untyped-call]
                config_file=self._paths, context=self._context, client_configuration=read, persist_config=False
            )
        else:
            await self._loader.load_and_set(read)  # renews only what is about to expire
        authorization = read.api_key.get("BearerToken", "")
        user = self._loader._user
        if user is not None and "exec" in user and not authorization and not read.cert_file:
            # the library logs the reason and goes on without credentials
            raise ValueError(f"the exec plugin {user['exec']['command']} gave no credentials")
        files = {
            "ca_file": Path(read.ssl_ca_cert) if read.ssl_ca_cert else None,
            "certificate_file": Path(read.cert_file) if read.cert_file else None,
            "key_file": Path(read.key_file) if read.key_file else None,
        }
        return Connection(
            server=read.host.rstrip("/"),
            authorization=authorization,
            tls=self._tls.of(insecure=not read.verify_ssl, **files) if read.host.startswith("https") else None,
            server_name=read.tls_server_name,
            proxy=read.proxy,
        )


class _Tls:
    """Makes a TLS context anew only when one of its files has changed, so that connections stay in use."""

    def __init__(self) -> None:
        self._made: tuple[tuple[object, ...], Any] | None = None

    def of(
        self,
        *,
        ca_file: Path | None,
        insecure: bool = False,
        certificate_file: Path | None = None,
        key_file: Path | None = None,
    ) -> Any:
        files = (ca_file, certificate_file, key_file)
        key = (insecure, *((file, file.stat().st_mtime_ns) if file else None for file in files))
        if self._made is None or self._made[0] != key:
            made = tls_context(ca_file=ca_file, insecure=insecure, certificate_file=certificate_file, key_file=key_file)
            self._made = (key, made)
        return self._made[1]


def kopf_login(access: Access) -> Callable[..., Awaitable["kopf.AiohttpSession"]]:
    """A handler for `kopf.on.login()`: the same credentials and the same TLS for kopf's own requests.

    kopf logs in again after a 401. Credentials that are still the refused ones end the operator: they cannot get better
    without a new pod. A kubeconfig's `tls-server-name` is not known to kopf.
    """
    given: Connection | None = None

    async def login(**_: Any) -> "kopf.AiohttpSession":
        import kopf

        nonlocal given
        connection = await access.connection(refused=given)
        if connection == given:
            raise kopf.PermanentError("the API server refuses our credentials, and there are no newer ones")
        given = connection
        authorization = {"Authorization": connection.authorization} if connection.authorization else {}
        return kopf.AiohttpSession(
            server=connection.server,
            default_namespace=access.namespace,
            aiohttp_session=new_session(
                tls=connection.tls,
                headers={"User-Agent": USER_AGENT, **authorization},
                proxy=connection.proxy,
                middlewares=(told_as_events,),
            ),
        )

    return login
