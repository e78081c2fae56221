"""Bindings of any provider as the data plane gets them, and a gateway that has them in force."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.proxy.configurations import sha256
from tests.standins.gateway import ALICE, Gateway
from tests.standins.manifests import compiled, deployment, developer_key, policy

from gateway_config.contract import Credential, Model, ProviderType, StaticCredential, Timeouts, Upstream, Value

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5-20251001")


class Binding:
    """An upstream and the values of its credential."""

    def __init__(self, upstream: Upstream, values: Mapping[str, str]) -> None:
        self.upstream = upstream
        self.values = values


def static(value: str, *, name: str, kind: Any = "ApiKey") -> StaticCredential:
    return StaticCredential(kind=kind, name=name, sha256=sha256(value))


def value(content: str, *, name: str) -> Value:
    return Value(name=name, sha256=sha256(content))


def binding(
    provider: ProviderType,
    base_url: str,
    *,
    credential: Credential,
    values: Mapping[str, str],
    models: Mapping[str, str],
    name: str = "",
    **members: Any,
) -> Binding:
    given: dict[str, Any] = {
        "name": f"claude/{name or provider.lower()}",
        "type": provider,
        "priority": 0,
        "base_url": base_url,
        "credential": credential,
        "models": dict(models),
        "timeouts": Timeouts(connect_seconds=5, first_byte_seconds=30, idle_seconds=30),
    }
    return Binding(Upstream(**given | members), values)


def load(gateway: Gateway, *bindings: Binding, models: Sequence[Model] | None = None, wait: bool = True) -> None:
    """One gateway in which every model of these upstreams, in this order, is open to Alice."""
    base = compiled([deployment(), policy("everyone"), developer_key(ALICE)]).configuration
    assert base is not None
    changes: dict[str, Any] = {"upstreams": tuple(one.upstream for one in bindings)}
    if models is not None:
        changes["models"] = tuple(models)
    credentials = {name: content for one in bindings for name, content in one.values.items()}
    gateway.load_configuration(base.model_copy(update=changes), credentials, wait=wait)
    if not gateway.running:
        gateway.start()
