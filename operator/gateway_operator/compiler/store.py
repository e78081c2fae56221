"""Where a gateway keeps sessions: `spec.store`, and what needs one."""

from dataclasses import dataclass, field
from typing import Final, Literal

from gateway_config import postgres_url
from gateway_config.canonical import sha256_hex
from gateway_config.contract import Store
from gateway_config.parts import Value
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.references import SecretKeyRef
from gateway_operator.api.v1alpha1.storage import StoreType
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.references import UnresolvedError, Values
from gateway_operator.compiler.snapshot import ObjectRef

StoreDefault = Literal["None", "Embedded"]
"""What a gateway without `spec.store` has: nothing on a cluster, an embedded store in local mode."""

URL_NAME: Final = "store.postgres/url"
"""Of the connection URL among the credentials: bindings' names begin with a namespace, which has no dot."""


@dataclass(slots=True)
class CompiledStore:
    store: Store | None = None
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    findings: list[Finding] = field(default_factory=list)
    refused: bool = False
    """The gateway has no configuration without its store: what serves now goes on, with the sessions that it has."""


def has_store(gateway: GatewayDeployment, store_default: StoreDefault) -> bool:
    return gateway.spec.store.type != StoreType.NONE or store_default != "None"


def compile_store(
    gateway: GatewayDeployment, ref: ObjectRef, values: Values, store_default: StoreDefault
) -> CompiledStore:
    result = CompiledStore()
    asked = gateway.spec.store
    if not has_store(gateway, store_default):
        result.findings += _required(gateway, ref)
        result.refused = bool(result.findings)
    elif asked.postgres is None:
        result.store = Store(type="Embedded")
        result.findings += _single_pod(gateway, ref, store_default)
    else:
        url, ca_pem = None, None
        try:
            url = _url(values, ref.namespace, asked.postgres.url_secret_ref, with_ca=asked.postgres.ca_ref is not None)
        except UnresolvedError as problem:
            result.findings.append(_unresolved(ref, "urlSecretRef", problem))
        try:
            if asked.postgres.ca_ref is not None:
                ca_pem = values.certificates(ref.namespace, asked.postgres.ca_ref)
        except UnresolvedError as problem:
            result.findings.append(_unresolved(ref, "caRef", problem))
        result.refused = bool(result.findings)
        if url is not None:
            result.credentials[URL_NAME] = url
            value = Value(name=URL_NAME, sha256=sha256_hex(url.encode()))
            result.store = Store(type="Postgres", url=value, ca_pem=ca_pem)
    return result


def _required(gateway: GatewayDeployment, ref: ObjectRef) -> list[Finding]:
    """What the gateway asks for that only a store can keep."""
    wants = []
    if gateway.spec.identity.oidc:
        wants.append(("spec.identity.oidc", "sign-in sessions"))
    if gateway.spec.audit.store:
        wants.append(("spec.audit.store", "audit events"))
    return [
        error(ref, path, Reason.STORE_REQUIRED, f"needs a store for {what}: set spec.store (Embedded or Postgres)")
        for path, what in wants
    ]


def _single_pod(gateway: GatewayDeployment, ref: ObjectRef, store_default: StoreDefault) -> list[Finding]:
    """What an admin should know of the pod that the gateway asks for. Without a cluster there is nothing to scale."""
    if gateway.spec.store.type != StoreType.EMBEDDED or store_default != "None":
        return []
    message = (
        "Embedded: the store belongs to one pod: the gateway does not scale, and a rollout ends the pod before the "
        "next one starts; for more than one pod take a Postgres store"
    )
    return [warning(ref, "spec.store.type", Reason.SINGLE_POD, message)]


def _url(values: Values, namespace: str, ref: SecretKeyRef, *, with_ca: bool) -> str:
    """Raises UnresolvedError; its message holds nothing of the URL, which holds a password."""
    url = values.text(namespace, ref.name, ref.key)
    try:
        parsed = postgres_url.parse(url, with_ca=with_ca)
    except postgres_url.UnusableUrlError as problem:
        what = f"Secret {namespace}/{ref.name}, key {ref.key}"
        raise UnresolvedError(Reason.SECRET_INVALID, f"{what}, {problem}") from None
    for host, _ in parsed.addresses:
        values.check_host(namespace, ref.name, host)
    return url


def _unresolved(ref: ObjectRef, name: str, problem: UnresolvedError) -> Finding:
    return error(ref, f"spec.store.postgres.{name}", problem.reason, str(problem), condition="ResolvedRefs")
