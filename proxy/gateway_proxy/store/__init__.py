"""What all pods of a gateway share: pending sign-ins, sessions and their revocations, and which pods live.

Postgres or SQLite through one SQLAlchemy Core layer. What is imported here is light; SQLAlchemy comes with
`gateway_proxy.store.store`, where a configuration has a store.
"""

from gateway_proxy.store.errors import StoreConfigurationError, StoreUnavailableError, UserCodeTakenError
from gateway_proxy.store.records import (
    Approved,
    Cursor,
    Found,
    Poll,
    PollState,
    RevokedSession,
    SessionRecord,
    SignIn,
)

__all__ = [
    "Approved",
    "Cursor",
    "Found",
    "Poll",
    "PollState",
    "RevokedSession",
    "SessionRecord",
    "SignIn",
    "StoreConfigurationError",
    "StoreUnavailableError",
    "UserCodeTakenError",
]
