"""PersistentVolumeClaim of an Embedded store.

It has no owner and is never deleted by the operator: sessions, spend and audit lines outlive a gateway that is deleted
by mistake or that changes its store, and a gateway of the same name finds them again.
"""

from typing import Any

from gateway_operator import names
from gateway_operator.api.v1alpha1.storage import EmbeddedStore, StoreType
from gateway_operator.children.quantities import canonical
from gateway_operator.children.subject import Manifest, Subject
from gateway_operator.kube.resources import PERSISTENT_VOLUME_CLAIMS


def wanted(subject: Subject) -> bool:
    return subject.spec.store.type == StoreType.EMBEDDED


def volume_claim(subject: Subject) -> Manifest:
    store = subject.spec.store.embedded or EmbeddedStore()
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": canonical(store.size)}},
    }
    if store.storage_class_name:
        spec["storageClassName"] = store.storage_class_name
    return subject.manifest(PERSISTENT_VOLUME_CLAIMS, name=names.volume_claim(subject.name), owned=False, spec=spec)
