"""Ingress for the host of `publicURL`."""

from typing import Any

from gateway_operator.api.v1alpha1.exposure import ExposureType, IngressExposure
from gateway_operator.children.subject import Manifest, Subject
from gateway_operator.kube.resources import INGRESSES

STREAM_SECONDS = 3600
"""How long nginx may see nothing from either side. The gateway itself pings a silent stream every 15 s, so this only
ends connections whose other end is gone without a word."""


def wanted(subject: Subject) -> bool:
    return subject.spec.exposure.type == ExposureType.INGRESS


def ingress(subject: Subject) -> Manifest:
    """The gateway's own annotations win over ours."""
    exposure = subject.spec.exposure.ingress or IngressExposure()
    host = subject.public_host
    rule: dict[str, Any] = {
        "http": {
            "paths": [
                {
                    "path": "/",
                    "pathType": "Prefix",
                    "backend": {"service": {"name": subject.name, "port": {"name": subject.port_name}}},
                }
            ]
        }
    }
    if host is not None:
        rule["host"] = host
    spec: dict[str, Any] = {"rules": [rule]}
    if exposure.class_name is not None:
        spec["ingressClassName"] = exposure.class_name
    if exposure.tls_secret_name is not None:
        hosts = {"hosts": [host]} if host is not None else {}
        spec["tls"] = [{**hosts, "secretName": exposure.tls_secret_name}]
    return subject.manifest(INGRESSES, annotations=_nginx(subject) | exposure.annotations, spec=spec)


def _nginx(subject: Subject) -> dict[str, str]:
    """What ingress-nginx needs so that streams live and large requests pass. Other controllers read none of it."""
    prefix = "nginx.ingress.kubernetes.io/"
    annotations = {
        # An event that waits in a buffer is an event that comes late.
        f"{prefix}proxy-buffering": "off",
        f"{prefix}proxy-request-buffering": "off",
        f"{prefix}proxy-http-version": "1.1",
        f"{prefix}proxy-read-timeout": str(STREAM_SECONDS),
        f"{prefix}proxy-send-timeout": str(STREAM_SECONDS),
        f"{prefix}proxy-body-size": str(subject.spec.http.max_request_bytes),
    }
    if subject.spec.exposure.tls is not None:
        annotations[f"{prefix}backend-protocol"] = "HTTPS"
    return annotations
