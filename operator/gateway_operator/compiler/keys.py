"""Developer and admin keys: Secrets of types of their own that hold a key's hash and whose it is."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from gateway_config.contract import AdminKey, DeveloperKey
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.identity import DeveloperKeys
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.snapshot import ObjectRef, Secret
from gateway_operator.names import ADMIN_KEY_TYPE, DEVELOPER_KEY_TYPE, GATEWAY_LABEL, KEY_TYPES

MAX_CLAIM = 256
"""Characters of a user id or a group's name."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class _RefusedError(Exception):
    """Why a key is left out."""

    def __init__(self, path: str, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.reason = reason


def secret_ref(secret: Secret) -> ObjectRef:
    return ObjectRef("Secret", secret.namespace, secret.name)


def developer_keys(
    secrets: Iterable[Secret], *, gateway: ObjectRef, rules: DeveloperKeys
) -> tuple[tuple[DeveloperKey, ...], list[Finding]]:
    """The keys of one gateway, sorted by name, and findings on those left out.

    `rules` is the gateway's `identity.developerKeys`. Two keys with one hash are both left out: which of their users a
    request comes from could not be told. `maxTTL` is held against the Secret's creation time; where that is unknown
    (without a cluster) only that `expires` is there.
    """
    mine = _of_gateway(secrets, DEVELOPER_KEY_TYPE, gateway)
    if not rules.enabled:
        message = f"{gateway} takes no developer keys: set spec.identity.developerKeys.enabled there"
        return (), [warning(secret_ref(secret), "", Reason.DEVELOPER_KEYS_DISABLED, message) for secret in mine]
    owners = _owners(mine)
    keys, findings = [], []
    for secret in mine:
        try:
            keys.append(_key(secret, rules=rules, owners=owners))
        except _RefusedError as refused:
            findings.append(error(secret_ref(secret), refused.path, refused.reason, str(refused)))
    return tuple(keys), findings


def admin_keys(secrets: Iterable[Secret], *, gateway: ObjectRef) -> tuple[tuple[AdminKey, ...], list[Finding]]:
    """The keys for the Admin API of one gateway, sorted by name, and findings on those left out."""
    mine = _of_gateway(secrets, ADMIN_KEY_TYPE, gateway)
    owners = _owners(mine)
    keys, findings = [], []
    for secret in mine:
        try:
            digest = _digest(secret, owners)
            holder = _claim(secret, "name", "must name who has the key")
            name = f"{secret.namespace}/{secret.name}"
            keys.append(AdminKey(name=name, sha256=digest, holder=holder, expires=_expires(secret)))
        except _RefusedError as refused:
            findings.append(error(secret_ref(secret), refused.path, refused.reason, str(refused)))
    return tuple(keys), findings


def _of_gateway(secrets: Iterable[Secret], kind: str, gateway: ObjectRef) -> list[Secret]:
    """Sorted by name."""
    found = (
        secret
        for secret in secrets
        if secret.type == kind
        and secret.namespace == gateway.namespace
        and secret.labels.get(GATEWAY_LABEL) == gateway.name
    )
    return sorted(found, key=lambda secret: secret.name)


def _owners(secrets: Iterable[Secret]) -> Mapping[str, list[str]]:
    """Hash → names of the Secrets that hold it."""
    owners: dict[str, list[str]] = defaultdict(list)
    for secret in secrets:
        owners[_hash(secret)].append(secret.name)
    return owners


def stray_keys(secrets: Iterable[Secret], gateways: Iterable[ObjectRef]) -> list[Finding]:
    """Warnings on keys that no gateway will ever read."""
    known = {(gateway.namespace, gateway.name) for gateway in gateways}
    findings = []
    for secret in secrets:
        name = secret.labels.get(GATEWAY_LABEL)
        if secret.type not in KEY_TYPES or (secret.namespace, name) in known:
            continue
        path = f"metadata.labels[{GATEWAY_LABEL}]"
        if name is None:
            message = "is missing: without it the key belongs to no gateway"
        else:
            message = f"there is no GatewayDeployment {secret.namespace}/{name}; a key lies in its gateway's namespace"
        findings.append(warning(secret_ref(secret), path, Reason.GATEWAY_NOT_FOUND, message))
    return findings


def _key(secret: Secret, *, rules: DeveloperKeys, owners: Mapping[str, list[str]]) -> DeveloperKey:
    digest = _digest(secret, owners)
    user = _claim(secret, "user", "must name the user")
    groups = sorted({line.strip() for line in _text(secret, "groups").splitlines()} - {""})
    for group in groups:
        _check_claim("data.groups", group)
        if rules.allowed_groups and group not in rules.allowed_groups:
            raise _RefusedError(
                "data.groups",
                Reason.GROUP_NOT_ALLOWED,
                f'"{group}" is not among the gateway\'s spec.identity.developerKeys.allowedGroups',
            )
    expires = _expires(secret)
    _check_lifetime(secret, expires=expires, rules=rules)
    return DeveloperKey(
        name=f"{secret.namespace}/{secret.name}", sha256=digest, user=user, groups=tuple(groups), expires=expires
    )


def _digest(secret: Secret, owners: Mapping[str, list[str]]) -> str:
    if "/" in secret.name or not secret.name:
        raise _RefusedError("metadata.name", Reason.KEY_INVALID, "is no name of a Kubernetes object")
    digest = _hash(secret)
    if not _SHA256.fullmatch(digest):
        raise _RefusedError("data.sha256", Reason.KEY_INVALID, "must be the key's SHA-256 in 64 hexadecimal digits")
    others = [name for name in owners[digest] if name != secret.name]
    if others:
        raise _RefusedError(
            "data.sha256",
            Reason.KEY_NOT_UNIQUE,
            f"is also the hash in Secret {secret.namespace}/{others[0]}: one key cannot be two users; both are left "
            "out until one is removed",
        )
    return digest


def _claim(secret: Secret, member: str, missing: str) -> str:
    value = _text(secret, member).strip()
    if not value:
        raise _RefusedError(f"data.{member}", Reason.KEY_INVALID, missing)
    _check_claim(f"data.{member}", value)
    return value


def _hash(secret: Secret) -> str:
    return secret.data.get("sha256", b"").decode(errors="replace").strip().lower()


def _text(secret: Secret, member: str) -> str:
    try:
        return secret.data.get(member, b"").decode()
    except UnicodeDecodeError:
        raise _RefusedError(f"data.{member}", Reason.KEY_INVALID, "must be UTF-8 text") from None


def _check_claim(path: str, value: str) -> None:
    if len(value) > MAX_CLAIM:
        raise _RefusedError(path, Reason.KEY_INVALID, f"must be at most {MAX_CLAIM} characters a name, is {len(value)}")
    if not value.isprintable():
        raise _RefusedError(path, Reason.KEY_INVALID, "must not hold control characters")


def _expires(secret: Secret) -> int | None:
    text = _text(secret, "expires").strip()
    if not text:
        return None
    try:
        if not _RFC3339.fullmatch(text):
            raise ValueError
        return int(datetime.fromisoformat(text.upper()).astimezone(UTC).timestamp())
    except (ValueError, OverflowError):
        raise _RefusedError("data.expires", Reason.KEY_INVALID, "must be a time such as 2027-06-01T00:00:00Z") from None


def _check_lifetime(secret: Secret, *, expires: int | None, rules: DeveloperKeys) -> None:
    if rules.max_ttl is None:
        return
    if expires is None:
        raise _RefusedError(
            "data.expires",
            Reason.KEY_WITHOUT_EXPIRY,
            "is missing: the gateway's spec.identity.developerKeys.maxTTL asks every key for one",
        )
    if secret.created is not None and expires > secret.created + rules.max_ttl.seconds:
        raise _RefusedError(
            "data.expires",
            Reason.KEY_LIFETIME_TOO_LONG,
            f"is more than {rules.max_ttl} after the key's creation, which is the gateway's "
            "spec.identity.developerKeys.maxTTL",
        )
