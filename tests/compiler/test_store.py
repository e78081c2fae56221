"""The store: what needs one, how it is reached, and what serves while its address is missing."""

from dataclasses import replace
from typing import Any

import pytest
from tests.compiler.manifests import CORP, binding, compiled, gateway, of, policy, secret, snapshot

from gateway_config.canonical import sha256_hex
from gateway_config.contract import Store
from gateway_config.parts import Value
from gateway_operator.compiler import Compiled, ConfigMap, Secret, Severity, compile_gateway

WORLD = (binding(), policy(), secret())
URL = "postgresql://gateway:db-canary@db.corp.example:5432/gateway?sslmode=verify-full"
POSTGRES = {"type": "Postgres", "postgres": {"urlSecretRef": {"name": "db", "key": "url"}}}
OIDC = {"oidc": [{"name": "okta", "issuer": "https://corp.okta.com", "clientID": "0oa1"}]}
PEM = "-----BEGIN CERTIFICATE-----\nMGNlcnQ=\n-----END CERTIFICATE-----\n"


def with_store(store: Any, *extra: Any, **spec: Any) -> Compiled:
    return compiled(gateway(store=store, **spec), *WORLD, *extra)


def errors(result: Compiled) -> list[tuple[str, str]]:
    return [(each.path, each.reason) for each in of(result.findings, severity=Severity.ERROR)]


def test_postgres_by_a_url_in_a_secret() -> None:
    result = with_store(POSTGRES, secret("db", url=f"{URL}\n"), identity=OIDC)
    assert result.configuration is not None
    value = Value(name="store.postgres/url", sha256=sha256_hex(URL.encode()))
    assert result.configuration.store == Store(type="Postgres", url=value)
    assert result.credentials["store.postgres/url"] == URL
    assert errors(result) == []


def test_its_certificates() -> None:
    reference = {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}
    store = {"type": "Postgres", "postgres": {**POSTGRES["postgres"], "caRef": reference}}  # type: ignore[dict-item]
    result = with_store(store, secret("db", url=URL), ConfigMap(namespace="claude", name="ca", data={"ca.crt": PEM}))
    assert result.configuration is not None
    assert result.configuration.store is not None
    assert result.configuration.store.ca_pem == PEM
    missing = with_store(store, secret("db", url=URL))
    assert missing.configuration is None
    assert errors(missing) == [("spec.store.postgres.caRef", "ConfigMapNotFound")]


def test_an_embedded_one_has_no_url() -> None:
    result = with_store({"type": "Embedded"}, identity=OIDC)
    assert result.configuration is not None
    assert result.configuration.store == Store(type="Embedded")


def test_without_a_cluster_a_gateway_has_one() -> None:
    world = snapshot(gateway(identity=OIDC), *WORLD)
    local = compile_gateway(world, CORP, store_default="Embedded")
    assert local.configuration is not None
    assert local.configuration.store == Store(type="Embedded")
    assert compile_gateway(snapshot(gateway(), *WORLD), CORP).configuration is not None


@pytest.mark.parametrize(
    ("spec", "path"), [({"identity": OIDC}, "spec.identity.oidc"), ({"audit": {"store": True}}, "spec.audit.store")]
)
def test_what_needs_a_store_is_refused_without_one(spec: dict[str, Any], path: str) -> None:
    result = compiled(gateway(**spec), *WORLD)
    assert result.configuration is None
    assert errors(result) == [(path, "StoreRequired")]


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (None, "SecretNotFound"),
        (secret("db", other=URL), "SecretKeyNotFound"),
        (secret("db", url=""), "SecretInvalid"),
        (secret("db", url="db.corp.example"), "SecretInvalid"),
        (secret("db", url="mysql://u:db-canary@db/gateway"), "SecretInvalid"),
        (secret("db", url="postgresql://u:db-canary@:5432/gateway"), "SecretInvalid"),
        (secret("db", url="postgresql://u:db-canary@db:port/gateway"), "SecretInvalid"),
        (secret("db", url="postgresql://u:db-canary@[::1/gateway"), "SecretInvalid"),
        (secret("db", url="postgresql://db.corp.example/db-canary"), "SecretInvalid"),
        (secret("db", url="postgresql://u:db-canary@db,:5432/gateway"), "SecretInvalid"),
        (secret("db", url="postgresql://u:db-canary@db/gateway?db-canary=1"), "SecretInvalid"),
        (secret("db", url="postgresql://u:db-canary@db/gateway?sslmode=db-canary"), "SecretInvalid"),
        (secret("db", url="postgresql://u:db-canary#1@db/gateway"), "SecretInvalid"),
        (secret("db", url=f"{URL}\n{URL}"), "SecretInvalid"),
        (secret("db", url=b"\xff"), "SecretInvalid"),
        (
            replace(secret("db", url=URL), annotations={"claude-gateway.dev/hosts": "other.example"}),
            "SecretHostNotAllowed",
        ),
    ],
)
def test_without_its_address_the_last_configuration_stays(held: Secret | None, reason: str) -> None:
    """Served without a store, everybody who signed in would be signed out."""
    result = with_store(POSTGRES, *((held,) if held else ()), identity=OIDC)
    assert result.configuration is None
    assert errors(result) == [("spec.store.postgres.urlSecretRef", reason)]
    (finding,) = of(result.findings, severity=Severity.ERROR)
    assert finding.condition == "ResolvedRefs"
    assert "db-canary" not in finding.message
    assert "db.corp.example" not in finding.message


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u@db",
        "postgresql://u:p%40ss@db1:5432,db2:5432/x?target_session_attrs=primary",
        "postgresql://u@[fd00::1]:5432/x?options=-csearch_path%3Dgateway",
        URL,
    ],
)
def test_addresses_as_postgres_writes_them(url: str) -> None:
    assert errors(with_store(POSTGRES, secret("db", url=url))) == []


def test_an_authority_beside_an_sslmode_that_checks_nothing() -> None:
    reference = {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}
    store = {"type": "Postgres", "postgres": {**POSTGRES["postgres"], "caRef": reference}}  # type: ignore[dict-item]
    authority = ConfigMap(namespace="claude", name="ca", data={"ca.crt": PEM})
    result = with_store(store, secret("db", url="postgresql://u@db/x?sslmode=prefer"), authority)
    assert errors(result) == [("spec.store.postgres.urlSecretRef", "SecretInvalid")]


def test_a_secret_may_be_pinned_to_the_databases_host() -> None:
    pinned = replace(secret("db", url=URL), annotations={"claude-gateway.dev/hosts": "DB.corp.example"})
    assert errors(with_store(POSTGRES, pinned)) == []
