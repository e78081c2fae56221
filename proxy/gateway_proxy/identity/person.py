"""Who signed in, as an identity provider told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    provider: str
    """The name of the configuration's identity provider."""
    subject: str
    """The provider's `sub`: with the provider the same for ever, whatever happens to names and addresses."""
    user: str
    """The user id that policies, audit lines and metrics use, with the provider's prefix."""
    email: str | None
    groups: tuple[str, ...]
    """With the provider's prefix."""
