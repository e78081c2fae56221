"""Developer and admin keys: made here, kept by whoever has them; a manifest holds only the hash."""

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway_operator.names import ADMIN_KEY_TYPE, DEVELOPER_KEY_TYPE, GATEWAY_LABEL

KEY_PREFIX: Final = "cgk_"
ADMIN_KEY_PREFIX: Final = "cga_"
MAX_GATEWAY_NAME: Final = 52
MAX_TEXT: Final = 256

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\Z")
_GATEWAY_NAME = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\Z")
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_PERIOD = re.compile(r"(\d{1,6})([smhdw])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SURELY_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*\Z")
_YAML_WORDS = frozenset({"y", "yes", "n", "no", "true", "false", "on", "off", "null"})


class InvalidKeyRequestError(Exception):
    """A key that cannot be made as asked."""


def new_key() -> str:
    """`cgk_` and 43 base64url characters: 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def new_admin_key() -> str:
    """`cga_` and 43 base64url characters: 256 random bits."""
    return ADMIN_KEY_PREFIX + secrets.token_urlsafe(32)


def expiry(text: str, *, now: datetime) -> datetime:
    """`90d`, `12h`, a day (its beginning in UTC) or an RFC 3339 time. Raises InvalidKeyRequestError."""
    period = _PERIOD.match(text)
    try:
        if period is not None:
            when = now + timedelta(seconds=int(period[1]) * _SECONDS[period[2]])
        else:
            when = datetime.fromisoformat(f"{text}T00:00:00Z" if _DAY.match(text) else text)
    except (ValueError, OverflowError):
        raise InvalidKeyRequestError(
            f"--expires {text}: write a period such as 90d or 12h, or a time such as 2027-06-01T00:00:00Z"
        ) from None
    if when.tzinfo is None:
        raise InvalidKeyRequestError(f"--expires {text}: the time zone is missing; write {text}Z for UTC")
    if when <= now:
        raise InvalidKeyRequestError(f"--expires {text}: lies in the past")
    return when.astimezone(UTC)


def manifest(
    key: str,
    *,
    user: str,
    groups: Sequence[str],
    gateway: str,
    namespace: str | None = None,
    expires: datetime | None = None,
    name: str | None = None,
) -> str:
    """The Secret of a developer key, to apply beside the gateway, as YAML. Raises InvalidKeyRequestError."""
    _check_text("USER", user)
    for group in groups:
        _check_text("--group", group)
    lines = [f"  user: {_scalar(user)}"]
    if groups:
        lines += ["  groups: |", *(f"    {group}" for group in dict.fromkeys(groups))]
    name = name if name is not None else _name_for(user, "key")
    return _secret(key, DEVELOPER_KEY_TYPE, lines, gateway=gateway, namespace=namespace, expires=expires, name=name)


def admin_manifest(
    key: str,
    *,
    holder: str,
    gateway: str,
    namespace: str | None = None,
    expires: datetime | None = None,
    name: str | None = None,
) -> str:
    """The Secret of an admin key, as YAML. Raises InvalidKeyRequestError."""
    _check_text("HOLDER", holder)
    lines = [f"  name: {_scalar(holder)}"]
    name = name if name is not None else _name_for(holder, "admin-key")
    return _secret(key, ADMIN_KEY_TYPE, lines, gateway=gateway, namespace=namespace, expires=expires, name=name)


def _secret(
    key: str,
    kind: str,
    claims: Sequence[str],
    *,
    gateway: str,
    namespace: str | None,
    expires: datetime | None,
    name: str,
) -> str:
    if len(gateway) > MAX_GATEWAY_NAME or not _GATEWAY_NAME.match(gateway):
        rule = f"at most {MAX_GATEWAY_NAME} lower-case letters, digits and '-', a letter first"
        raise InvalidKeyRequestError(f"--gateway {gateway!r}: a gateway's name is {rule}")
    if namespace is not None and (len(namespace) > 63 or not _LABEL.match(namespace)):
        raise InvalidKeyRequestError(f"--namespace {namespace!r} is not the name of a namespace")
    if len(name) > 253 or not _SUBDOMAIN.match(name):
        raise InvalidKeyRequestError(f"--name {name!r}: lower-case letters, digits, '-' and '.' only")
    lines = ["apiVersion: v1", "kind: Secret", "metadata:", f"  name: {_scalar(name)}"]
    if namespace is not None:
        lines.append(f"  namespace: {_scalar(namespace)}")
    lines += [
        f"  labels: {{{GATEWAY_LABEL}: {_scalar(gateway)}}}",
        f"type: {kind}",
        "stringData:",
        f"  sha256: {json.dumps(hashlib.sha256(key.encode()).hexdigest())}",
        *claims,
    ]
    if expires is not None:
        lines.append(f'  expires: "{expires.strftime("%Y-%m-%dT%H:%M:%SZ")}"')
    return "\n".join(lines) + "\n"


def _name_for(user: str, prefix: str) -> str:
    """`key-alice` for `alice@corp.example`."""
    local = re.sub(r"[^a-z0-9]+", "-", user.partition("@")[0].lower()).strip("-")[:50].strip("-")
    return f"{prefix}-{local or secrets.token_hex(4)}"


def _check_text(option: str, text: str) -> None:
    if not text.strip() or text != text.strip():
        raise InvalidKeyRequestError(f"{option} {text!r}: is empty, or begins or ends with a space")
    if len(text) > MAX_TEXT or not text.isprintable():
        raise InvalidKeyRequestError(
            f"{option} {text[:40]!a}: at most {MAX_TEXT} characters, none of them control or invisible ones"
        )


def _scalar(text: str) -> str:
    """Quoted wherever YAML could take it for something else than this string."""
    if _SURELY_PLAIN.match(text) and text.lower() not in _YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
