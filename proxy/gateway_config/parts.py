"""What the documents of a bundle are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Part(BaseModel):
    """Base of every member: immutable, and an unknown field is an error, never a rule silently not enforced."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(Part):
    """A value in the bundle's credentials file."""

    name: str = Field(description="The key in the credentials file.")
    sha256: Sha256Hex = Field(description="Of the value's UTF-8 bytes.")
