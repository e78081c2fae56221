"""The models that a gateway knows."""

from typing import Annotated

from gateway_operator.api.v1alpha1.base import Model, doc
from gateway_operator.api.v1alpha1.lists import map_list
from gateway_operator.api.v1alpha1.scalars import ModelName


class CustomModel(Model):
    """A model besides the built-in ones, or another description of one of them."""

    id: Annotated[ModelName, doc("The id that clients ask for.", example="claude-internal-1")]
    display_name: Annotated[
        str | None, doc("Name in the client's model picker. Default: the id.", example="Internal 1", max_length=128)
    ] = None
    description: Annotated[
        str,
        doc("One line in the client's model picker. Default: none.", example="For internal documents.", max_length=512),
    ] = ""
    max_input_tokens: Annotated[
        int | None,
        doc("Largest prompt, in tokens. Default: not told to clients.", example=200000, ge=1, le=100_000_000),
    ] = None


class Models(Model):
    """The catalogue: built-in models and the organization's own."""

    builtin: Annotated[bool, doc("Whether the models that come with the gateway are known.", example=False)] = True
    custom: Annotated[
        list[CustomModel],
        doc("Further models; ProviderBindings say which upstream serves them. Default: none.", max_length=128),
        map_list("id"),
    ] = []
