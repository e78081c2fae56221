"""What can still be read of a policy that breaks its schema, so that it denies the callers whom it was to match.

Everything here errs on the wide side: a condition that cannot be understood is dropped, so the policy matches more
callers, never fewer; a priority that cannot be read is the highest; references that cannot be read are taken to name
every gateway. Nothing here raises, whatever the manifest holds.
"""

from collections.abc import Mapping
from typing import Any

from gateway_config.callers import folded
from gateway_config.contract import Match

HIGHEST = float("inf")


def salvaged_priority(manifest: Any) -> float:
    """The priority as written, 0 when there is none, HIGHEST when it cannot be read."""
    spec = _spec(manifest)
    if spec is None:
        return HIGHEST
    priority = spec.get("priority")
    if priority is None:
        return 0
    return priority if isinstance(priority, int) and not isinstance(priority, bool) else HIGHEST


def salvaged_matches(manifest: Any) -> tuple[Match, ...]:
    """At least the callers that the policy was to match. Empty: the policy is of the base layer. An entry without any
    member matches every caller."""
    spec = _spec(manifest)
    if spec is None:
        return (Match(),)
    entries = spec.get("matches")
    if entries is None or entries == []:
        return ()
    if not isinstance(entries, list):
        return (Match(),)
    return tuple(_entry(entry) for entry in entries)


def _spec(manifest: Any) -> Mapping[str, Any] | None:
    spec = manifest.get("spec") if isinstance(manifest, Mapping) else None
    return spec if isinstance(spec, Mapping) else None


def _entry(entry: Any) -> Match:
    if not isinstance(entry, Mapping):
        return Match()
    return Match(
        groups=_names(entry.get("groups")),
        users=tuple(map(folded, _names(entry.get("users")))),
        email_domains=tuple(domain.removeprefix("@") for domain in map(folded, _names(entry.get("emailDomains")))),
        workloads=_names(entry.get("workloads")),
        identity_providers=_names(entry.get("identityProviders")),
    )


def _names(values: Any) -> tuple[str, ...]:
    """The values of one member; none, which is no condition at all, when any of them cannot be read."""
    if not isinstance(values, list) or not all(isinstance(value, str) and _encodable(value) for value in values):
        return ()
    return tuple(values)


def salvaged_gateways(manifest: Any, namespace: str) -> list[tuple[str, str]] | None:
    """(namespace, name) of each gateway that the object refers to; None when it cannot be told, so that it may be
    any."""
    refs = (_spec(manifest) or {}).get("gatewayRefs")
    if not isinstance(refs, list) or not refs:
        return None
    found = []
    for ref in refs:
        name = ref.get("name") if isinstance(ref, Mapping) else None
        where = ref.get("namespace") if isinstance(ref, Mapping) else None
        if not isinstance(name, str) or not isinstance(where, str | None):
            return None
        found.append((where or namespace, name))
    return found


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
