"""The configuration's number: which revision is in the cluster, which comes next, and which first held an object."""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from gateway_config import bundle
from gateway_config.bundle import INDEX_FILE, Index
from gateway_config.canonical import document, revision_of
from gateway_config.contract import Configuration
from gateway_operator.compiler import ObjectRef
from gateway_operator.reconcile.fetch import Seen
from gateway_operator.reconcile.signing import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A configuration that pods can load. A newer one has a higher sequence."""

    digest: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    revision: Revision
    files: Mapping[str, bytes] = field(repr=False)


def live_revision(secret: Mapping[str, Any] | None) -> Revision | None:
    """What the Secret with the index says; None where there is none, or it cannot be read."""
    try:
        raw = base64.b64decode(((secret or {}).get("data") or {})[INDEX_FILE])
        index = Index.model_validate_json(raw)
    except (KeyError, TypeError, ValueError, ValidationError):
        return None
    return Revision(digest=index.revision, sequence=index.sequence)


def pack(
    configuration: Configuration,
    *,
    credentials: Mapping[str, str],
    signing: Record,
    live: Revision | None,
    newest_known: int,
    now: int,
) -> Packed:
    """The bundle's files. An unchanged revision keeps its sequence; another gets a higher one than there ever was,
    also where the Secret that said so is lost: no less than `now`, in Unix seconds.

    Raises BundleError (ConfigTooLarge).
    """
    configuration = configuration.model_copy(update={"signing_keys": signing.published()})
    digest = revision_of(document(configuration))
    if live is not None and live.digest == digest and live.sequence >= newest_known:
        sequence = live.sequence
    else:
        sequence = max(newest_known + 1, live.sequence + 1 if live else 0, now)
    files = bundle.pack(configuration, credentials={**credentials, **signing.values()}, sequence=sequence)
    return Packed(revision=Revision(digest=digest, sequence=sequence), files=files)


class FirstRevisions:
    """Of one gateway: the first revision that held each object's present generation. Holds live objects only."""

    def __init__(self) -> None:
        self._known: dict[ObjectRef, tuple[str, int, Revision]] = {}
        self._begun = False

    def settle(
        self,
        objects: Mapping[ObjectRef, Seen],
        *,
        left_out: Collection[ObjectRef],
        before: Revision | None,
        after: Revision | None,
        programmed: Mapping[ObjectRef, str],
    ) -> Mapping[ObjectRef, Revision]:
        """By object; one that no revision holds is missing.

        `before` was in the cluster until now; `after` is what was made of the objects, None where nothing could be, so
        that what was held is held still. `left_out`: objects that the new configuration does not hold.
        `programmed`: objects whose own status says that pods have loaded this generation, with the revision that it
        names. That counts once, for what was programmed before the operator was started.
        """
        known: dict[ObjectRef, tuple[str, int, Revision]] = {}
        for ref, seen in objects.items():
            if ref in left_out:
                continue
            old = self._known.get(ref)
            if old is not None and old[:2] == (seen.uid, seen.generation):
                known[ref] = old
            elif not self._begun and before is not None and ref in programmed:
                digest = programmed[ref] or before.digest
                known[ref] = (seen.uid, seen.generation, Revision(digest=digest, sequence=before.sequence))
            elif after is not None:
                known[ref] = (seen.uid, seen.generation, after)
        self._known = known
        self._begun = True
        return {ref: revision for ref, (_, _, revision) in known.items()}


def programmed_before(objects: Mapping[ObjectRef, Seen], gateway: ObjectRef) -> dict[ObjectRef, str]:
    """What the objects' own statuses say: those that this gateway's pods have loaded, in their present generation, with
    the revision that is named there."""
    found = {}
    for ref, seen in objects.items():
        entry = _entry(seen, ref, gateway)
        conditions = entry.get("conditions")
        for condition in conditions if isinstance(conditions, list) else ():
            if (condition.get("type"), condition.get("status"), condition.get("observedGeneration")) == (
                "Programmed",
                "True",
                seen.generation,
            ):
                found[ref] = entry.get("revision") or ""
    return found


def _entry(seen: Seen, ref: ObjectRef, gateway: ObjectRef) -> Mapping[str, Any]:
    """The part of an object's status that speaks of the gateway."""
    status: Any = orjson.loads(seen.status) if seen.status else {}
    if ref == gateway:
        return status if isinstance(status, dict) else {}
    for entry in status.get("gateways") or ():
        if (entry.get("namespace"), entry.get("name")) == (gateway.namespace, gateway.name):
            return dict(entry)
    return {}
