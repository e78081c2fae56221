"""Who a request acts for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway_config.callers import Caller


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Principal:
    """A verified caller. Compared by identity, so that per-principal caches cost one pointer hash."""

    caller: Caller | None
    """None for a subscription pass-through, whose person this gateway does not know."""
    key_name: str | None = None
    """`namespace/name` of the developer key."""
    expires: int | None = None
    """Unix seconds."""
    passthrough_authorization: str | None = field(default=None, repr=False)
    """The client's own `Authorization`, sent on in place of the upstream's credential."""
    audit_fields: Mapping[str, str] = field(default_factory=dict)
    """Who, as audit lines say it."""
