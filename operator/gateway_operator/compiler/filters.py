"""What upstreams are known not to take, and what a binding says of it: `spec.requestFilters`.

filters.json names each capability with what announces it (betas) and what asks for it (fields), which providers and
models lack it, and the reports that say so; one without a report does not belong there. Only what leaves an answer what
it is stands there: hints, marks, caching. What changes an answer (a format, a server's tools, fast mode) is not taken
out of a request behind its sender's back: the upstream's refusal is the honest answer, and a binding may say otherwise.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from gateway_config.contract import RequestFilter
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.request_filters import Drop, RequestFilters
from gateway_operator.compiler.catalogue import Catalogue, unknown_model
from gateway_operator.compiler.findings import Finding, warning
from gateway_operator.compiler.snapshot import ObjectRef


@cache
def builtin_filters() -> Mapping[str, Mapping[str, Any]]:
    """The entries of filters.json by name, in their order."""
    text = (resources.files(__package__) / "filters.json").read_text(encoding="utf-8")
    return {entry["name"]: entry for entry in json.loads(text)["filters"]}


def request_filters(
    ref: ObjectRef, asked: RequestFilters, provider: str, catalogue: Catalogue
) -> tuple[tuple[RequestFilter, ...], list[Finding]]:
    """Those of one binding: the built-in ones of its type that it does not keep, then its own."""
    findings = [
        warning(ref, f"spec.requestFilters.keep[{position}]", Reason.FILTER_UNKNOWN, _unknown_filter(name))
        for position, name in enumerate(asked.keep)
        if name not in builtin_filters()
    ]
    filters = [
        RequestFilter(
            name=name,
            models=tuple(entry.get("models", ())),
            betas=tuple(entry.get("betas", ())),
            fields=tuple(entry.get("fields", ())),
            instead=tuple(entry.get("instead", ())),
        )
        for name, entry in builtin_filters().items()
        if provider in entry["types"] and name not in asked.keep
    ]
    for position, drop in enumerate(asked.drop):
        models, problems = _models(ref, f"spec.requestFilters.drop[{position}]", drop, catalogue)
        findings += problems
        # Names that mean no model must not turn into every model.
        if models or not drop.models:
            betas, fields = tuple(drop.betas), tuple(drop.fields)
            filters.append(RequestFilter(name=f"drop[{position}]", models=models, betas=betas, fields=fields))
    return tuple(filters), findings


def _models(ref: ObjectRef, path: str, drop: Drop, catalogue: Catalogue) -> tuple[tuple[str, ...], list[Finding]]:
    canonical: dict[str, None] = {}
    findings = []
    for position, name in enumerate(drop.models):
        known = catalogue.names.canonical(name)
        if known is None:
            message = f"{unknown_model(name)}; nothing is dropped for it"
            findings.append(warning(ref, f"{path}.models[{position}]", Reason.MODEL_UNKNOWN, message))
        else:
            canonical[known] = None
    return tuple(canonical), findings


def _unknown_filter(name: str) -> str:
    return f'"{name}" is no built-in filter; there are {_listed(tuple(builtin_filters()))}'


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
