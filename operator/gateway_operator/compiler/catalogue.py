"""The models a gateway knows: the built-in catalogue (catalogue.json) and the gateway's custom entries.

catalogue.json lists the built-in models in the order in which `GET /v1/models` shows them, each with the id that every
provider type knows it by (`Bedrock` without the region's prefix). `listed: false` marks older models: they are served,
but shown only to callers whose policy names them. A release date that was never published stands as 1970-01-01.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from gateway_config.contract import Model
from gateway_config.models import ModelNames, plain_spelling
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler.findings import Finding, warning
from gateway_operator.compiler.snapshot import ObjectRef

UNKNOWN_DATE = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class BuiltinModel:
    model: Model
    upstream_ids: Mapping[str, str]
    """Provider type → id."""


@cache
def builtin_models() -> Mapping[str, BuiltinModel]:
    """The built-in catalogue by canonical id, in its order."""
    text = (resources.files(__package__) / "catalogue.json").read_text(encoding="utf-8")
    return {entry["id"]: _builtin(entry) for entry in json.loads(text)["models"]}


def _builtin(entry: Mapping[str, Any]) -> BuiltinModel:
    spellings = {*entry.get("spellings", ()), *entry["upstreamIDs"].values()} - {entry["id"]}
    model = Model(
        id=entry["id"],
        display_name=entry["displayName"],
        max_input_tokens=entry.get("maxInputTokens"),
        created_at=entry["createdAt"],
        spellings=tuple(sorted(spellings)),
        listed=entry.get("listed", True),
    )
    return BuiltinModel(model, entry["upstreamIDs"])


@cache
def builtin_names() -> ModelNames:
    return ModelNames(builtin.model for builtin in builtin_models().values())


class Catalogue:
    """The models of one gateway."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models
        self.names = ModelNames(models)

    def default_upstream_ids(self, provider: str) -> Iterator[tuple[str, str]]:
        """(canonical id, the provider's id) of every model that a binding of this type serves without being told.
        Custom models are not among them: only a binding that maps one knows what its upstream calls it."""
        for model in self.models:
            builtin = builtin_models().get(model.id)
            if builtin is not None and provider in builtin.upstream_ids:
                yield model.id, builtin.upstream_ids[provider]


def gateway_catalogue(gateway: GatewayDeployment, ref: ObjectRef) -> tuple[Catalogue, list[Finding]]:
    """The built-in models unless `spec.models.builtin` is false, then the custom ones in the order written.

    A custom entry whose id is any spelling of a built-in model describes that model anew and keeps its canonical id:
    two ids for one model would be two answers to whether a policy allows it. With `builtin: false`, it brings that one
    model back.
    """
    findings: list[Finding] = []
    settings = gateway.spec.models
    models = {name: builtin.model for name, builtin in builtin_models().items()} if settings.builtin else {}
    seen: dict[str, int] = {}
    for position, custom in enumerate(settings.custom):
        canonical = builtin_names().canonical(custom.id) or custom.id
        first = seen.setdefault(plain_spelling(canonical), position)
        if first != position:
            message = f'"{custom.id}" names the same model as spec.models.custom[{first}]: remove one of the two'
            findings.append(warning(ref, f"spec.models.custom[{position}].id", Reason.MODEL_DUPLICATE, message))
            continue
        known = builtin_models().get(canonical)
        base = known.model if known else _named(canonical)
        models[canonical] = base.model_copy(
            update={
                "display_name": custom.display_name or base.display_name,
                "description": custom.description or base.description,
                "max_input_tokens": custom.max_input_tokens or base.max_input_tokens,
                "listed": True,
            }
        )
    return Catalogue(tuple(models.values())), findings


def _named(name: str) -> Model:
    return Model(id=name, display_name=name, created_at=UNKNOWN_DATE)
