"""The certificate that the pods serve. They wait for its Secret, and nothing but the gateway's condition says so."""

from typing import Final

from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler import Finding, ObjectRef
from gateway_operator.compiler.findings import error
from gateway_operator.kube.client import Reader
from gateway_operator.kube.resources import SECRETS

_PATH: Final = "spec.exposure.tls.secretName"
_KEYS: Final = ("tls.crt", "tls.key")
"""What the pods mount; the kubelet starts none while one is missing."""


async def certificate_finding(model: GatewayDeployment, gateway: ObjectRef, *, reader: Reader) -> Finding | None:
    """What keeps pods from mounting the certificate. Raises `KubeError`s."""
    tls = model.spec.exposure.tls
    if tls is None:
        return None
    secret = await reader.get(SECRETS, gateway.namespace, tls.secret_name)
    where = f"Secret {gateway.namespace}/{tls.secret_name}"
    if secret is None:
        message = f"{where} does not exist; new pods wait for it: create it, of type kubernetes.io/tls"
        return error(gateway, _PATH, Reason.SECRET_NOT_FOUND, message, condition="ResolvedRefs")
    missing = [key for key in _KEYS if key not in (secret.get("data") or {})]
    if missing:
        absent = " and no key ".join(missing)
        message = f"{where} has no key {absent}; new pods wait for it: make it of type kubernetes.io/tls"
        return error(gateway, _PATH, Reason.SECRET_KEY_NOT_FOUND, message, condition="ResolvedRefs")
    return None
