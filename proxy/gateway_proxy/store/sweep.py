"""Removes rows that nobody will ask for."""

from typing import Final

from sqlalchemy import delete, or_

from gateway_proxy.store.database import Database
from gateway_proxy.store.tables import sessions, sign_ins, spent_refresh_tokens

SIGN_IN_SECONDS: Final = 600.0
"""After its end: so long a device that polls on is told `expired_token`."""
SESSION_SECONDS: Final = 7 * 86400.0
"""After its end, by expiry or revocation: so long a session is listed, and its revocation told to pods that start."""
SPENT_SECONDS: Final = 7 * 86400.0
"""After its use: so long a second use of a refresh token is known for one."""


async def sweep(database: Database, now: float) -> None:
    """Raises StoreUnavailableError. Any number of pods may do it at once."""
    ended = now - SESSION_SECONDS
    for operation, statement in (
        ("sign_ins.sweep", delete(sign_ins).where(sign_ins.c.expires_at < now - SIGN_IN_SECONDS)),
        ("sessions.sweep", delete(sessions).where(or_(sessions.c.expires_at < ended, sessions.c.revoked_at < ended))),
        ("sessions.sweep", delete(spent_refresh_tokens).where(spent_refresh_tokens.c.spent_at < now - SPENT_SECONDS)),
    ):
        await database.changed(operation, statement)
