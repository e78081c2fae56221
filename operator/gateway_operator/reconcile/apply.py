"""Writes the objects of one gateway: what differs, and nothing that is not the operator's."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Protocol

from gateway_operator import names
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler import Finding, ObjectRef
from gateway_operator.compiler.findings import error
from gateway_operator.kube.client import Object
from gateway_operator.kube.errors import ForbiddenError, InvalidError
from gateway_operator.kube.resources import DEPLOYMENTS, SECRETS, ResourceKind, kind_of
from gateway_operator.reconcile.drift import applied, differs, fingerprint, is_ours, settled_form, with_fingerprint
from gateway_operator.reconcile.restraint import Restraint

SCALE_MANAGER: Final = f"{names.MANAGER}-scale"
"""Holds a Deployment's replicas from the moment when an autoscaler is to have them until it takes them over."""

_WORDS_WITHOUT_VALUES: Final = ("because it is being terminated", "exceeded quota:")
"""Refusals that speak of a namespace, never of what is in the object."""

Settled = MutableMapping[tuple[str, str], tuple[str, str]]
"""By kind and name: what was sent, and what the API server made of it, where both differ for good: an admission webhook
rewrote it. Sent again, it would be rewritten again, without end."""


class Client(Protocol):
    """What of the client is used to write."""

    async def get(
        self, kind: ResourceKind, namespace: str | None, name: str, *, managed_fields: bool = False
    ) -> Object | None: ...

    async def create(self, manifest: Mapping[str, Any]) -> Object: ...

    async def replace(self, manifest: Mapping[str, Any]) -> Object: ...

    async def apply(
        self,
        manifest: Mapping[str, Any],
        *,
        subresource: str = "",
        field_manager: str = names.MANAGER,
        force: bool = True,
    ) -> Object: ...

    async def delete(
        self,
        kind: ResourceKind,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        propagation: str = "Background",
    ) -> bool: ...


class NotWrittenError(Exception):
    """An object that cannot be written; `finding`, on the gateway, says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Writer:
    """For one reconcile of one gateway. `settled` and `restraint` are kept from one to the next."""

    def __init__(
        self, *, client: Client, gateway: ObjectRef, uid: str, settled: Settled, restraint: Restraint | None = None
    ) -> None:
        self._client = client
        self._gateway = gateway
        self._uid = uid
        self._settled = settled
        self._restraint = restraint if restraint is not None else Restraint()
        self.held: float | None = None
        """Seconds until what was left as others made it may be put right; None: nothing was."""
        self.repaired: list[str] = []
        """What somebody else had changed in an object that we had applied just so; its kind and name."""

    def check(self, kind: ResourceKind, name: str, live: Object | None) -> None:
        """Raises NotWrittenError (NameTaken) where the name is another's."""
        if live is not None and not is_ours(live, gateway=self._gateway, uid=self._uid):
            raise NotWrittenError(self._taken(kind, name, live))

    async def write(self, wanted: Mapping[str, Any], live: Object | None) -> Object:
        """The object as it then is. `live` is what was read of it; an object that was replaced since is not touched.

        Raises NotWrittenError where the name is another's or the API server refuses the object, and `KubeError`s.
        """
        kind, name = kind_of(wanted), str(wanted["metadata"]["name"])
        self.check(kind, name, live)
        sent = dict(wanted) if kind == SECRETS else with_fingerprint(wanted)
        if live is not None:
            # Secrets that somebody's finalizer holds are what pods mount until they are gone
            if ("deletionTimestamp" in live["metadata"] and kind != SECRETS) or not differs(sent, live):
                return live
            if self._settled.get((kind.kind, name)) == (fingerprint(sent), settled_form(live)):
                return live
            if pause := self._restraint.pause((kind.kind, name), fingerprint(wanted)):
                self.held = pause if self.held is None else min(self.held, pause)
                return live
        try:
            if live is not None and kind == DEPLOYMENTS and "replicas" not in sent["spec"]:
                await self._hand_over_replicas(live)
            # A free name may have been taken since it was read: then this is a conflict, and a new look tells whose.
            after = await self._client.apply(_pinned(sent, live), force=live is not None)
        except (ForbiddenError, InvalidError) as refused:
            raise NotWrittenError(self.refused(kind, name, refused, exists=live is not None)) from refused
        if live is not None and kind != SECRETS:  # a configuration that is not in place must not count as written
            self._restraint.changed((kind.kind, name), fingerprint(wanted))
        if live is not None and kind != SECRETS and applied(live) == fingerprint(wanted):
            self.repaired.append(f"{kind.kind} {name}")
        if differs(sent, after):
            self._settled[kind.kind, name] = (fingerprint(sent), settled_form(after))
        else:
            self._settled.pop((kind.kind, name), None)
        return after

    async def remove(self, kind: ResourceKind, live: Object) -> bool:
        """Whether it was deleted: never an object that is not the gateway's own, and not by its name alone."""
        metadata = live["metadata"]
        if not is_ours(live, gateway=self._gateway, uid=self._uid) or "deletionTimestamp" in metadata:
            return False
        owners = metadata.get("ownerReferences") or ()
        if not any(owner.get("uid") == self._uid for owner in owners):
            return False
        self._settled.pop((kind.kind, metadata["name"]), None)
        return await self._client.delete(kind, self._gateway.namespace, metadata["name"], uid=metadata["uid"])

    async def _hand_over_replicas(self, live: Object) -> None:
        """A field that its only owner no longer applies is removed, and replicas would fall to their default, 1."""
        metadata = live["metadata"]
        found = await self._client.get(DEPLOYMENTS, metadata["namespace"], metadata["name"], managed_fields=True)
        if found is None or not _applied_replicas(found):
            return
        await self._client.apply(
            {
                "apiVersion": DEPLOYMENTS.api_version,
                "kind": DEPLOYMENTS.kind,
                "metadata": {
                    "namespace": metadata["namespace"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
                "spec": {"replicas": found["spec"]["replicas"]},
            },
            field_manager=SCALE_MANAGER,
        )

    def _taken(self, kind: ResourceKind, name: str, live: Object) -> Finding:
        what = f"{kind.kind} {self._gateway.namespace}/{name}"
        if names.is_managed(live["metadata"].get("labels")):
            message = (
                f"{what} is the operator's, but of another or an earlier gateway, and is left alone: Kubernetes "
                "deletes it with its owner; delete it by hand where that is gone"
            )
        else:
            message = (
                f"{what} is not the operator's and is left alone: delete or rename it, or give the gateway another name"
            )
        return error(self._gateway, "metadata.name", Reason.NAME_TAKEN, message)

    def refused(
        self, kind: ResourceKind, name: str, refused: ForbiddenError | InvalidError, *, exists: bool
    ) -> Finding:
        """What to say of a refusal. `exists`: it was a change, which the object's own state may stand in the way of."""
        why = str(refused)
        if kind == SECRETS and not any(words in why for words in _WORDS_WITHOUT_VALUES):
            why = f"{refused.status} {refused.reason}"  # what is wrong might be quoted
        message = f"the API server refuses {kind.kind} {self._gateway.namespace}/{name}: {why}"
        if kind == SECRETS and exists and isinstance(refused, InvalidError):
            message += "; it may be immutable or of another type: delete it, and it is made anew"
        return error(self._gateway, "", Reason.CHILD_REFUSED, message)

    def ending(self, live: Object) -> Finding:
        """What to say of an object that was deleted and does not go."""
        metadata = live["metadata"]
        finalizers = ", ".join(metadata.get("finalizers") or ()) or "nothing that it names"
        return error(
            self._gateway,
            "",
            Reason.CHILD_TERMINATING,
            f"{live['kind']} {self._gateway.namespace}/{metadata['name']} was deleted and waits for its finalizers: "
            f"{finalizers}; it is made anew once it is gone: see who has to take the finalizer away",
        )


def _pinned(sent: Mapping[str, Any], live: Object | None) -> dict[str, Any]:
    """Meant for the object that was read and for no other; Secrets, which others read whole, for that very version."""
    if live is None:
        return dict(sent)
    pins = {"uid": live["metadata"]["uid"]}
    if sent["kind"] == SECRETS.kind:
        pins["resourceVersion"] = live["metadata"]["resourceVersion"]
    return {**sent, "metadata": {**sent["metadata"], **pins}}


def _applied_replicas(live: Object) -> bool:
    return any(
        entry.get("manager") == names.MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields") or ()
    )
