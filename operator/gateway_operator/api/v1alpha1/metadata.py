"""What the models read of `metadata`. The API server owns its schema, so a rule is all that bounds a name."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway_operator.api.v1alpha1.base import Rule, camel_case


class ObjectMeta(BaseModel):
    """Name, namespace, labels and annotations; further members are kept."""

    model_config = ConfigDict(
        alias_generator=camel_case,
        frozen=True,
        extra="allow",
        strict=True,
        json_schema_extra=lambda schema: _opaque(schema),
    )

    name: Annotated[str, Field(min_length=1, max_length=253)]
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    generation: int | None = None


def _opaque(schema: dict[str, object]) -> None:
    schema.clear()
    schema["type"] = "object"


_GATEWAY_NAME = r"^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$"

GATEWAY_NAME_RULE = Rule(
    cel=f"self.metadata.name.matches(r'{_GATEWAY_NAME}')",
    message=(
        "a gateway's name must have at most 52 characters, lower-case letters, digits and '-', "
        "beginning with a letter and ending with a letter or digit: its Service and Secrets are named after it"
    ),
    holds=lambda it: re.match(_GATEWAY_NAME.removesuffix("$") + r"\Z", it.metadata.name) is not None,
    path=".metadata.name",
)

SHORT_NAME_RULE = Rule(
    cel="size(self.metadata.name) <= 63",
    message="the name must have at most 63 characters: it stands in metrics and audit lines",
    holds=lambda it: len(it.metadata.name) <= 63,
    path=".metadata.name",
)
