"""References between objects: gateways with their namespace gates, Secrets, ConfigMaps.

A reference to a Secret or ConfigMap never leaves the namespace of the object that holds it. No message holds a value.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.references import (
    AllowedObjects,
    CARef,
    CASource,
    FromNamespaces,
    GatewayRef,
    LabelSelector,
    SecretKeyRef,
    SecretRef,
    SelectorOperator,
    SelectorRequirement,
)
from gateway_operator.compiler.snapshot import ConfigMap, Secret
from gateway_operator.names import ADMIN_KEY_TYPE, DEVELOPER_KEY_TYPE, HOSTS_ANNOTATION, is_managed

_Value = TypeVar("_Value")
_NOT_ONE_VALUE = "holds white space or control characters: put one value there"

REFUSED_TYPES: Mapping[str, str] = {
    "kubernetes.io/service-account-token": "a service account's token",
    "helm.sh/release.v1": "a Helm release",
    DEVELOPER_KEY_TYPE: "a developer key",
    ADMIN_KEY_TYPE: "an admin key",
}


class UnresolvedError(Exception):
    """A reference that leads nowhere good."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class GatewayName(NamedTuple):
    """One entry of `gatewayRefs`, its namespace filled in."""

    namespace: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Values:
    """The Secrets and ConfigMaps of a snapshot by (namespace, name)."""

    secrets: Mapping[tuple[str, str], Secret]
    config_maps: Mapping[tuple[str, str], ConfigMap]

    def credential(self, namespace: str, ref: SecretKeyRef, *, url: str) -> str:
        """The value that `ref` names, fit for a header and meant for the host of `url`. Raises UnresolvedError.

        One trailing newline is taken off: `echo` and editors put it there.
        """
        value = self._header_value(namespace, ref.name, ref.key, url=url)
        if " " in value:
            raise _invalid(namespace, ref.name, ref.key, _NOT_ONE_VALUE)
        return value

    def headers(self, namespace: str, ref: SecretRef, *, url: str) -> dict[str, str]:
        """Every entry of the Secret, or the one that `ref` names, fit for headers to the host of `url`. Raises
        UnresolvedError."""
        keys = sorted(self._secret(namespace, ref.name).data) if ref.key is None else [ref.key]
        return {key: self._header_value(namespace, ref.name, key, url=url) for key in keys}

    def _header_value(self, namespace: str, name: str, key: str, *, url: str) -> str:
        value = self.text(namespace, name, key, url=url)
        if not value.isascii():
            raise _invalid(namespace, name, key, "holds bytes that no HTTP header can carry")
        if not value.isprintable() or value != value.strip():
            raise _invalid(namespace, name, key, _NOT_ONE_VALUE)
        return value

    def text(self, namespace: str, name: str, key: str, *, url: str | None = None) -> str:
        """A value as text, without one trailing newline; with `url`, meant for its host. Raises UnresolvedError."""
        secret = self._secret(namespace, name)
        what = f"Secret {namespace}/{name}"
        raw = _entry(secret.data, key, what=what, reason=Reason.SECRET_KEY_NOT_FOUND)
        if url is not None:
            _check_host(secret, host_of(url))
        try:
            value = raw.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise UnresolvedError(Reason.SECRET_INVALID, f"{what}, key {key}, is not UTF-8 text") from None
        if not value:
            raise UnresolvedError(Reason.SECRET_INVALID, f"{what}, key {key}, is empty")
        return value

    def has(self, namespace: str, name: str, key: str) -> bool:
        """Whether the Secret has the key. Raises UnresolvedError where there is no such Secret."""
        return key in self._secret(namespace, name).data

    def check_url(self, namespace: str, name: str, url: str) -> None:
        """Whether a Secret's value may go to the host of `url`. Raises UnresolvedError."""
        _check_host(self._secret(namespace, name), host_of(url))

    def check_host(self, namespace: str, name: str, host: str) -> None:
        """Whether a Secret's value may go to a host that is part of the value, and so is not told. Raises
        UnresolvedError."""
        _check_host(self._secret(namespace, name), host.lower(), shown="the host in the value")

    def certificates(self, namespace: str, ref: CARef) -> str:
        """The PEM certificates that a `caRef` names, without what else lies beside them. Raises UnresolvedError."""
        key = ref.key
        if ref.kind == CASource.SECRET:
            what = f"Secret {namespace}/{ref.name}"
            raw = _entry(self._secret(namespace, ref.name).data, key, what=what, reason=Reason.SECRET_KEY_NOT_FOUND)
        else:
            what = f"ConfigMap {namespace}/{ref.name}"
            config_map = self.config_maps.get((namespace, ref.name))
            if config_map is None:
                raise UnresolvedError(Reason.CONFIG_MAP_NOT_FOUND, f"{what} does not exist")
            raw = _entry(config_map.data, key, what=what, reason=Reason.CONFIG_MAP_KEY_NOT_FOUND).encode(
                errors="replace"
            )
        found = list(_certificate_blocks(raw.decode(errors="replace")))
        if not found:
            raise UnresolvedError(
                Reason.CERTIFICATE_INVALID,
                f"{what}, key {key}, holds no certificate that can be read: put PEM text there, which begins with "
                "-----BEGIN CERTIFICATE-----",
            )
        return "".join(found)

    def _secret(self, namespace: str, name: str) -> Secret:
        secret = self.secrets.get((namespace, name))
        if secret is None:
            raise UnresolvedError(Reason.SECRET_NOT_FOUND, f"Secret {namespace}/{name} does not exist")
        refused = REFUSED_TYPES.get(secret.type)
        if refused is None and is_managed(secret.labels):
            refused = "the operator's own"
        if refused is not None:
            raise UnresolvedError(
                Reason.SECRET_NOT_ALLOWED,
                f"Secret {namespace}/{name} is {refused} and may not be referred to: put the value into a Secret of "
                "its own",
            )
        return secret


def _entry(data: Mapping[str, _Value], key: str, *, what: str, reason: Reason) -> _Value:
    if key not in data:
        there = ", ".join(sorted(data)) or "nothing"
        raise UnresolvedError(reason, f"{what} has no key {key}; it holds {there}")
    return data[key]


def _invalid(namespace: str, name: str, key: str, what: str) -> UnresolvedError:
    return UnresolvedError(Reason.SECRET_INVALID, f"Secret {namespace}/{name}, key {key}, {what}")


def _check_host(secret: Secret, host: str, *, shown: str = "") -> None:
    pinned = secret.annotations.get(HOSTS_ANNOTATION)
    if pinned is None:
        return
    allowed = [host.strip().lower() for host in pinned.split(",") if host.strip()]
    if host not in allowed:
        raise UnresolvedError(
            Reason.SECRET_HOST_NOT_ALLOWED,
            f"the annotation {HOSTS_ANNOTATION} of Secret {secret.namespace}/{secret.name} lets its value go to "
            f"{', '.join(allowed) or 'no host'}, not to {shown or host or 'an address without a host'}",
        )


def host_of(url: str) -> str:
    """The host of a URL in lower case, without port; empty when there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_DER_SEQUENCE = 0x30


def _certificate_blocks(text: str) -> Iterator[str]:
    """Each certificate as a PEM block of one shape. Checks the armour and that DER is inside, not the certificate."""
    for match in _CERTIFICATE.finditer(text):
        try:
            der = base64.b64decode("".join(match[1].split()), validate=True)
        except (binascii.Error, ValueError):
            continue
        if der[:1] == bytes([_DER_SEQUENCE]):
            encoded = base64.b64encode(der).decode()
            lines = "\n".join(encoded[start : start + 64] for start in range(0, len(encoded), 64))
            yield f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def gateway_names(refs: Iterable[GatewayRef], namespace: str) -> list[GatewayName]:
    """The validated `gatewayRefs` of an object in `namespace`."""
    return [
        GatewayName(ref.namespace or namespace, ref.name, f"spec.gatewayRefs[{position}]")
        for position, ref in enumerate(refs)
    ]


def admits(
    rule: AllowedObjects, *, gateway_namespace: str, namespace: str, labels: Mapping[str, Mapping[str, str]]
) -> bool:
    """Whether `allowedBindings` or `allowedPolicies` lets objects of `namespace` in: those of the gateway's own
    namespace when unset. A selector decides alone, also about the gateway's own."""
    namespaces = rule.namespaces
    if namespaces.from_ == FromNamespaces.SELECTOR:
        return namespaces.selector is not None and selects(namespaces.selector, labels.get(namespace, {}))
    return namespaces.from_ == FromNamespaces.ALL or namespace == gateway_namespace


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Kubernetes' label selector: every label and every expression must hold; an empty selector selects everything."""
    if any(labels.get(key) != value for key, value in selector.match_labels.items()):
        return False
    return all(_holds(expression, labels) for expression in selector.match_expressions)


def _holds(expression: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    match expression.operator:
        case SelectorOperator.IN:
            return value is not None and value in expression.values
        case SelectorOperator.NOT_IN:
            return value is None or value not in expression.values
        case SelectorOperator.EXISTS:
            return value is not None
        case SelectorOperator.DOES_NOT_EXIST:
            return value is None
