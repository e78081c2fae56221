"""Stand-ins for Secrets that lie in the cluster only, so that files alone show what they lead to."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gateway_operator.compiler import Finding, ObjectRef, Secret, Snapshot
from gateway_operator.compiler.providers.aws import ACCESS_KEY_NAMES
from gateway_operator.compiler.providers.google_credentials import FILE_KEY

PLACEHOLDER = b"not-in-these-files"
_SHAPED: Mapping[str, Mapping[str, bytes]] = {
    "urlSecretRef": {"": b"postgresql://gateway@not-in-these-files/gateway"},
    "serviceAccountSecretRef": {
        FILE_KEY: b'{"type": "service_account", "client_email": "not-in-these-files", "private_key": '
        b'"-----BEGIN PRIVATE KEY-----\\nMAA=\\n-----END PRIVATE KEY-----"}',
    },
    "accessKeySecretRef": dict.fromkeys(ACCESS_KEY_NAMES, PLACEHOLDER),
}
"""References whose values have a form or fixed keys: the keys where none is named, and what stands in them."""
ELSEWHERE = frozenset({"SecretNotFound", "ConfigMapNotFound"})
"""Errors on a cluster, warnings about files: whoever keeps manifests in git keeps Secrets somewhere else."""
_CERTIFICATES = "caRef"
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def with_placeholders(snapshot: Snapshot, findings: Iterable[Finding]) -> Snapshot:
    """The snapshot with a Secret for every credential that the findings miss. Nothing can stand for certificates."""
    manifests = {resource.ref: resource.manifest for resource in snapshot.resources}
    data: dict[tuple[str, str], dict[str, bytes]] = {}
    for finding in findings:
        if finding.reason != "SecretNotFound":
            continue
        if finding.path.endswith(_CERTIFICATES):
            continue
        reference = _at(manifests.get(finding.ref, {}), finding.path)
        name, key = _members(reference)
        for fixed_key, value in _SHAPED.get(finding.path.rpartition(".")[2], {"": PLACEHOLDER}).items():
            if name and (key or fixed_key):
                data.setdefault((finding.ref.namespace, name), {})[key or fixed_key] = value
    made = tuple(Secret(namespace=namespace, name=name, data=keys) for (namespace, name), keys in data.items())
    return replace(snapshot, secrets=snapshot.secrets + made)


def missing(findings: Iterable[Finding]) -> list[tuple[ObjectRef, str, str]]:
    """Object, path and message of every Secret and ConfigMap that is not there."""
    return [(each.ref, each.path, each.message) for each in findings if each.reason in ELSEWHERE]


def _at(value: Any, path: str) -> Any:
    for name, number in _STEP.findall(path):
        if number and isinstance(value, list) and int(number) < len(value):
            value = value[int(number)]
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _members(reference: Any) -> tuple[str, str]:
    if not isinstance(reference, Mapping):
        return "", ""
    return str(reference.get("name") or ""), str(reference.get("key") or "")
