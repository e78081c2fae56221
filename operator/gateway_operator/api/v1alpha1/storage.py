"""Where a gateway keeps sessions, spend and audit lines."""

from typing import Annotated

from gateway_operator.api.v1alpha1.base import Choice, Model, doc, member_rules
from gateway_operator.api.v1alpha1.references import CARef, SecretKeyRef
from gateway_operator.api.v1alpha1.scalars import Quantity


class StoreType(Choice):
    NONE = "None"
    EMBEDDED = "Embedded"
    POSTGRES = "Postgres"


class PostgresStore(Model):
    """A PostgreSQL database that every pod shares."""

    url_secret_ref: Annotated[
        SecretKeyRef,
        doc(
            "The connection URL: postgresql://user:password@host:5432/database.",
            example={"name": "gateway-db", "key": "url"},
        ),
    ]
    ca_ref: Annotated[
        CARef | None,
        doc(
            "Certificates that the server's is checked with. Default: the system's.",
            example={"kind": "ConfigMap", "name": "db-ca", "key": "ca.crt"},
        ),
    ] = None


class EmbeddedStore(Model):
    """SQLite on a volume of the one pod. The volume, NAME-state, outlives the gateway."""

    storage_class_name: Annotated[
        str, doc("StorageClass of the volume. Default, and when empty: the cluster's.", example="fast", max_length=253)
    ] = ""
    size: Annotated[Quantity, doc("Size of the volume, in bytes.", example="5Gi")] = "1Gi"


class Store(Model):
    """Where sessions, spend and audit lines are kept."""

    type: Annotated[
        StoreType,
        doc(
            "None: nothing is kept, so developer keys and workload tokens only. Embedded: SQLite on a "
            "volume, one replica. "
            "Postgres: a database, any number of replicas. Sign-ins, spend limits and a stored audit log need a store.",
            example="Postgres",
        ),
    ] = StoreType.NONE
    postgres: Annotated[PostgresStore | None, doc("With type Postgres, where it is required. Default: none.")] = None
    embedded: Annotated[
        EmbeddedStore | None, doc("With type Embedded. Default: 1Gi of the cluster's storage class.")
    ] = None

    object_rules = (
        *member_rules("postgres", "postgres", "Postgres"),
        *member_rules("embedded", "embedded", "Embedded", required=False),
    )
