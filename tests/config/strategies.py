"""Hypothesis strategies for the compiled configuration."""

from typing import Any

from hypothesis import strategies as st

from gateway_config.canonical import canonical_json, sha256_hex
from gateway_config.contract import (
    Configuration,
    DeveloperKey,
    Egress,
    GatewayIdentity,
    Limits,
    Match,
    Model,
    Policy,
    Timeouts,
    Upstream,
)
from gateway_config.parts import Value
from gateway_config.upstream_credentials import (
    AWSCredential,
    EntraClient,
    EntraCredential,
    FederatedCredential,
    GoogleCredential,
    StaticCredential,
)

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.from_regex(r"[a-z]{1,6}/[a-z]{1,6}", fullmatch=True)
digests = st.binary(max_size=8).map(sha256_hex)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def tuples(values: st.SearchStrategy[Any], *, max_size: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=max_size).map(tuple)


models = st.builds(
    Model,
    id=text,
    display_name=text,
    created_at=text,
    max_input_tokens=st.none() | st.integers(1, 10**7),
    spellings=tuples(text),
    listed=st.booleans(),
)
matches = st.builds(Match, groups=tuples(text), users=tuples(text), email_domains=tuples(text))
policies = st.builds(
    Policy,
    name=names,
    matches=tuples(matches),
    access=st.sampled_from(["Allow", "Deny"]),
    invalid=st.none() | text,
    models=st.none() | tuples(text),
    upstreams=st.none() | tuples(names),
)
timeouts = st.builds(
    Timeouts,
    connect_seconds=st.floats(0.1, 100),
    first_byte_seconds=st.floats(0.1, 100),
    idle_seconds=st.floats(0.1, 100),
)
keys = st.builds(
    DeveloperKey, name=names, sha256=digests, user=text, groups=tuples(text), expires=st.none() | st.integers(0, 2**40)
)


def credentials_of(name: str, sha256: str) -> st.SearchStrategy[Any]:
    """Every kind of credential, with the value and without one."""
    value = Value(name=name, sha256=sha256)
    return st.one_of(
        st.sampled_from(["ApiKey", "OAuthToken", "BearerToken"]).map(
            lambda kind: StaticCredential(kind=kind, name=name, sha256=sha256)
        ),
        st.builds(AWSCredential, access_key=st.none() | st.just(value), role_arn=st.none() | text),
        st.builds(GoogleCredential, service_account=st.none() | st.just(value), impersonate=st.none() | text),
        st.builds(
            EntraCredential,
            client=st.none() | st.builds(EntraClient, tenant_id=text, client_id=text, secret=st.just(value)),
        ),
        st.builds(
            FederatedCredential,
            organization_id=text,
            federation_rule_id=text,
            service_account_id=text,
            token_file=text,
        ),
    )


@st.composite
def configurations(draw: st.DrawFn) -> tuple[Configuration, dict[str, str]]:
    """A configuration and the values of its credentials."""
    credentials = draw(st.dictionaries(names, text, max_size=3))
    upstreams = tuple(
        Upstream(
            name=name,
            type="Anthropic",
            priority=draw(st.integers(-5, 5)),
            base_url="https://api.anthropic.com",
            credential=draw(credentials_of(name, sha256_hex(value.encode()))),
            models=draw(st.dictionaries(text, text, max_size=3)),
            timeouts=draw(timeouts),
        )
        for name, value in credentials.items()
    )
    documents = draw(st.lists(st.dictionaries(text, json_values, max_size=3), max_size=2))
    configuration = Configuration(
        gateway=GatewayIdentity(namespace="claude", name="corp", public_url="https://claude.corp.example"),
        limits=Limits(max_request_bytes=1, max_buffered_bytes=1, drain_seconds=draw(st.floats(0, 3600))),
        egress=draw(st.builds(Egress, proxy_url=st.none() | text, no_proxy=tuples(text), ca_pem=st.none() | text)),
        models=draw(tuples(models)),
        upstreams=upstreams,
        policies=draw(tuples(policies)),
        base=draw(st.none() | policies),
        developer_keys=draw(tuples(keys)),
        subscription_passthrough=draw(st.booleans()),
        settings_documents={sha256_hex(canonical_json(document)): document for document in documents},
    )
    return configuration, credentials
