"""The models a gateway knows: the built-in catalogue (catalogue.json) and the gateway's custom entries.

catalogue.json lists the built-in models in the order in which `GET /v1/models` shows them, each with the id that every
provider type knows it by (`Bedrock` without the region's prefix). `listed: false` marks older models: they are served,
but shown only to callers whose policy names them. A release date that was never published stands as 1970-01-01.

`bedrockPrefixes` names the cross-region inference profiles that a model has, and `bedrockRegions` from where each may
be called. Bedrock refuses the bare id of a model that is served through profiles alone. Sources, read in November 2026:
the model cards of Bedrock's user guide and its table of source regions ("Supported Regions and models for inference
profiles"); Anthropic's table for Opus 4.6 and earlier ("Claude on Amazon Bedrock"); models.dev's list of Bedrock ids;
for us-gov, deployments that name theirs. Where sources disagree, a prefix is left out: `global.` then serves, and a
profile that is not there serves nobody (jp. of Opus 4.6, Opus 5 and Sonnet 5, apac. of Opus 4.6, au. of Sonnet 5.5).
Of Fable 5.2 only us. was seen; global. is taken from Fable 5 and 5.1.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
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
    bedrock_prefixes: frozenset[str]
    """Of its inference profiles, without the point."""


@cache
def _document() -> Any:
    return json.loads((resources.files(__package__) / "catalogue.json").read_text(encoding="utf-8"))


@cache
def builtin_models() -> Mapping[str, BuiltinModel]:
    """The built-in catalogue by canonical id, in its order."""
    return {entry["id"]: _builtin(entry) for entry in _document()["models"]}


@cache
def bedrock_regions() -> Mapping[str, frozenset[str]]:
    """Prefix of inference profiles → the regions that they may be called from, the narrowest geography first."""
    return {prefix: frozenset(regions) for prefix, regions in _document()["bedrockRegions"].items()}


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
    return BuiltinModel(model, entry["upstreamIDs"], frozenset(entry["bedrockPrefixes"]))


@cache
def builtin_names() -> ModelNames:
    return ModelNames(builtin.model for builtin in builtin_models().values())


class Catalogue:
    """The models of one gateway."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models
        self.names = ModelNames(models)

    def builtin(self) -> Iterator[BuiltinModel]:
        """Those whose ids at each provider are known. Custom models are not among them: only a binding that maps one
        knows what its upstream calls it."""
        return (found for model in self.models if (found := builtin_models().get(model.id)) is not None)

    def with_spellings(self, spellings: Iterable[tuple[str, str]]) -> "Catalogue":
        """The same models with further spellings, as (canonical id, spelling). Of two models with one spelling, the
        catalogue's first has it."""
        further: dict[str, list[str]] = {}
        for canonical, spelling in spellings:
            further.setdefault(canonical, []).append(spelling.lower())
        if not further:
            return self
        return Catalogue(
            tuple(
                model.model_copy(update={"spellings": tuple(sorted({*model.spellings, *further[model.id]}))})
                if model.id in further
                else model
                for model in self.models
            )
        )


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


def unknown_model(name: str) -> str:
    return (
        f'"{name}" is no model of this gateway: check the spelling, or name it in spec.models.custom of the '
        "GatewayDeployment"
    )
