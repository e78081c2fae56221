"""What is taken out of requests to one upstream because it does not take it."""

from typing import Annotated

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Model, Rule, doc
from gateway_operator.api.v1alpha1.lists import ATOMIC, set_list
from gateway_operator.api.v1alpha1.scalars import BETA_PATTERN, FIELD_PATH_PATTERN, Label, ModelName

BetaName = Annotated[str, Field(min_length=1, max_length=128, pattern=BETA_PATTERN)]
FieldPath = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=FIELD_PATH_PATTERN),
    Rule(
        cel="!(self in ['model', 'messages', 'stream', 'max_tokens'])",
        message="model, messages, stream and max_tokens are what a request is: remove the entry",
        holds=lambda path: path not in ("model", "messages", "stream", "max_tokens"),
    ),
]


class Drop(Model):
    """A capability that the upstream lacks: the betas that announce it, and the fields that go with them."""

    betas: Annotated[
        list[BetaName],
        doc(
            "Names in the header `anthropic-beta`, and in the body's `anthropic_beta`. Default: none.",
            example=["fast-mode-2026-02-01"],
            max_length=32,
        ),
        set_list(),
    ] = []
    fields: Annotated[
        list[FieldPath],
        doc(
            "Members of the body: `name`, `name.member`, or `**.name.member` for every object called `name`, however "
            "deep it lies, but for those inside of JSON of the caller's own, such as a tool's input. Default: none.",
            example=["speed"],
            max_length=32,
        ),
        set_list(),
    ] = []
    models: Annotated[
        list[ModelName],
        doc(
            "Models with which it is lacking, in any spelling. Default: every model.",
            example=["claude-opus-4-8"],
            max_length=128,
        ),
        set_list(),
    ] = []

    object_rules = (
        Rule(
            cel="(has(self.betas) && size(self.betas) > 0) || (has(self.fields) && size(self.fields) > 0)",
            message="an entry without betas and fields drops nothing: name some, or remove it",
            holds=lambda it: bool(it.betas or it.fields),
        ),
    )


class RequestFilters(Model):
    """What the upstream does not take, besides what is known of its type."""

    drop: Annotated[
        list[Drop],
        doc(
            "What is taken out of requests. The bytes around it stay as they are. Default: nothing.",
            example=[{"betas": ["fast-mode-2026-02-01"], "fields": ["speed"], "models": ["claude-opus-4-8"]}],
            max_length=32,
        ),
        ATOMIC,
    ] = []
    keep: Annotated[
        list[Label],
        doc(
            "Names of built-in filters that do not apply, because the upstream takes it by now; `claude-gateway "
            "render` shows them with what they drop. Default: all apply.",
            example=["cache-scope"],
            max_length=32,
        ),
        set_list(),
    ] = []
