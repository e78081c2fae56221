"""The Secret in which the operator keeps what it made up for a gateway: made once, changed, never overwritten."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_config.contract import SigningKey
from gateway_operator import names
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.identity import Session
from gateway_operator.children.subject import owner_reference
from gateway_operator.compiler import Finding, ObjectRef
from gateway_operator.compiler.findings import error
from gateway_operator.kube.client import Object
from gateway_operator.kube.errors import ForbiddenError, InvalidError
from gateway_operator.kube.resources import SECRETS
from gateway_operator.reconcile import signing
from gateway_operator.reconcile.apply import Client, NotWrittenError, Writer
from gateway_operator.reconcile.signing import Record, UnreadableError

_TYPE: Final = "Opaque"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningStep:
    """The record as it is in the cluster now, or why it cannot be used."""

    record: Record | None = None
    token: str = field(default="", repr=False)
    """The admin token; known also where the keys are not."""
    finding: Finding | None = None
    again: float | None = None
    """Seconds until a key has to be made, promoted or dropped."""
    rotated: str = ""
    """What this step did to the keys of a gateway that had some already, for people; empty: nothing."""


class SigningRecord:
    """Of one gateway, for one reconcile. Created with POST and changed with PUT at the version that was read: of two
    operators at once, one gets a `KubeError` and has to look again."""

    def __init__(self, *, client: Client, gateway: ObjectRef, uid: str) -> None:
        self._client = client
        self._gateway = gateway
        self._uid = uid
        self._writer = Writer(client=client, gateway=gateway, uid=uid, settled={})

    def token(self, live: Object | None) -> str:
        """The admin token, where there is one that can be read."""
        try:
            self._check(live)
            return signing.read_token((live or {}).get("data"))
        except (UnreadableError, NotWrittenError):
            return ""

    async def advance(
        self, live: Object | None, *, now: int, session: Session, loaded: Callable[[tuple[SigningKey, ...]], bool]
    ) -> SigningStep:
        """Writes what is due. `loaded`: whether every pod has just these keys. Raises `KubeError`s."""
        rotated = ""
        rotation, tokens = int(session.signing_key_rotation.seconds), int(session.access_token_ttl.seconds)
        try:
            self._check(live)
            if live is None:
                record = signing.new_record(now=now, token_seconds=tokens)
                await self._client.create(self._manifest(record))
            else:
                before = signing.read(live.get("data"))
                record = signing.advanced(
                    before,
                    now=now,
                    rotation_seconds=rotation,
                    token_seconds=tokens,
                    loaded=loaded(before.published()),
                )
                if record is not before or not self._is_marked(live):
                    await self._client.replace(self._changed(live, before, record))
                rotated = signing.told(before, record)
        except NotWrittenError as taken:
            return SigningStep(finding=taken.finding)
        except (ForbiddenError, InvalidError) as refused:
            name = names.signing_secret(self._gateway.name)
            finding = self._writer.refused(SECRETS, name, refused, exists=live is not None)
            return SigningStep(token=self.token(live), finding=finding)
        except UnreadableError as problem:
            return SigningStep(token=self.token(live), finding=self._invalid(problem))
        again = signing.seconds_to_next(record, now=now, rotation_seconds=rotation)
        return SigningStep(record=record, token=record.admin_token, again=again, rotated=rotated)

    def _check(self, live: Object | None) -> None:
        """Raises NotWrittenError for somebody else's Secret."""
        name = names.signing_secret(self._gateway.name)
        self._writer.check(SECRETS, name, live)
        if live is not None and live.get("type") != _TYPE:
            raise NotWrittenError(self._invalid(UnreadableError(f"its type is {live.get('type')}, not {_TYPE}")))

    def _invalid(self, problem: UnreadableError) -> Finding:
        name = names.signing_secret(self._gateway.name)
        return error(
            self._gateway,
            "",
            Reason.SIGNING_KEYS_INVALID,
            f"Secret {self._gateway.namespace}/{name} is left alone: {problem}; restore it, or delete it for new keys, "
            "which end every developer's session; until then the last configuration stays in force",
        )

    def _manifest(self, record: Record) -> dict[str, Any]:
        return {
            "apiVersion": SECRETS.api_version,
            "kind": SECRETS.kind,
            "metadata": {
                "name": names.signing_secret(self._gateway.name),
                "namespace": self._gateway.namespace,
                "labels": names.child_labels(self._gateway.name),
                "ownerReferences": [owner_reference(self._gateway, self._uid)],
            },
            "type": _TYPE,
            "data": signing.written(record),
        }

    def _is_marked(self, live: Object) -> bool:
        metadata = live["metadata"]
        labels = metadata.get("labels") or {}
        owners = metadata.get("ownerReferences") or ()
        return names.child_labels(self._gateway.name).items() <= labels.items() and any(
            owner.get("uid") == self._uid for owner in owners
        )

    def _changed(self, live: Object, before: Record, after: Record) -> dict[str, Any]:
        """The live object with the new record; what others put into it stays."""
        metadata = live["metadata"]
        ours = self._manifest(after)
        dropped: Mapping[str, str] = signing.written(before)
        data = {name: value for name, value in (live.get("data") or {}).items() if name not in dropped}
        owners = metadata.get("ownerReferences") or []
        if not any(owner.get("uid") == self._uid for owner in owners):
            owners = [*owners, *ours["metadata"]["ownerReferences"]]
        labels = {**(metadata.get("labels") or {}), **ours["metadata"]["labels"]}
        return {
            **live,
            "metadata": {**metadata, "labels": labels, "ownerReferences": owners},
            "data": {**data, **ours["data"]},
        }
