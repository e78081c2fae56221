"""Where every handler leads: the queue of gateways to look at."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway_operator import names
from gateway_operator.compiler import ObjectRef
from gateway_operator.fanout import Fanout, gateway_ref
from gateway_operator.kube.resources import GATEWAY_DEPLOYMENTS

DELETED = "DELETED"


class Intake:
    """`touch` is called with each gateway that has to be looked at."""

    def __init__(
        self, *, fanout: Fanout, touch: Callable[[ObjectRef], None], touch_children: Callable[[ObjectRef], None]
    ) -> None:
        """`touch_children`: only what the operator itself made of the gateway, or its keys, changed."""
        self.fanout = fanout
        self._touch = touch
        self._touch_children = touch_children

    def enqueue(self, gateways: Iterable[ObjectRef]) -> None:
        for gateway in gateways:
            self._touch(gateway)

    def resource(self, event_type: str | None, manifest: Mapping[str, Any]) -> None:
        """An event of one of the three kinds."""
        metadata = manifest["metadata"]
        if event_type == DELETED:
            ref = ObjectRef(manifest["kind"], metadata["namespace"], metadata["name"])
            self.enqueue(self.fanout.forget(ref, uid=metadata.get("uid", "")))
        else:
            self.enqueue(self.fanout.record(manifest))

    def labelled(self, manifest: Mapping[str, Any]) -> None:
        """An event of an object that carries the name of its gateway: a child, or a key's Secret. A child that lost the
        label, or got another name on it, is known by its owner."""
        metadata = manifest["metadata"]
        named = {(metadata.get("labels") or {}).get(names.GATEWAY_LABEL)}
        named |= {
            owner.get("name")
            for owner in metadata.get("ownerReferences") or ()
            if owner.get("kind") == GATEWAY_DEPLOYMENTS.kind
        }
        for name in sorted(filter(None, named)):
            self._touch_children(gateway_ref(metadata["namespace"], name))
