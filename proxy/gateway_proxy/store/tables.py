"""The schema at HEAD. A change comes as a migration in `migrations/versions`, and only adds: pods of the version before
work on while a rollout lasts.

Times are Unix seconds by the clock of the pod that wrote them; hashes and sealed values are raw bytes.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, LargeBinary, MetaData, Table, Text

HEAD: Final = "0001"
"""The newest migration; known here too, so that a pod imports Alembic only where there is work."""
VERSION_TABLE: Final = "claude_gateway_version"

metadata = MetaData()

sign_ins = Table(
    "claude_gateway_sign_ins",
    metadata,
    Column("id", Text, primary_key=True),
    Column("device_code_sha256", LargeBinary, nullable=False),
    Column("user_code", Text, nullable=False),
    Column("surface", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("state", Text, nullable=False),  # Pending, Approved, Denied, Redeemed
    Column("callback_hash", LargeBinary),
    Column("last_polled_at", Double),
    Column("poll_interval", Double),
    Column("polled_early", BigInteger),  # 1: the last poll came too early
    Column("person", Text),  # JSON
    Column("provider_refresh_token_sealed", LargeBinary),  # Redeemed: what the client got, sealed
    Index("claude_gateway_sign_ins_device_code", "device_code_sha256", unique=True),
    Index("claude_gateway_sign_ins_user_code", "user_code", unique=True),
    Index("claude_gateway_sign_ins_expiry", "expires_at"),
)

sessions = Table(
    "claude_gateway_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("email", Text),
    Column("groups", Text, nullable=False),  # JSON
    Column("user_key", Text, nullable=False),  # the user id and the address, as they are looked for
    Column("email_key", Text),
    Column("refresh_sha256", LargeBinary, nullable=False),
    Column("previous_sha256", LargeBinary),
    Column("previous_until", Double),
    Column("sealed_successor", LargeBinary),
    Column("provider_refresh_token_sealed", LargeBinary),
    Column("claimed_until", Double),  # somebody asks the identity provider on behalf of the current token
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("revoked_reason", Text),
    Column("revocation", BigInteger),  # the place in the order of revocations; sessions of one call share it
    Index("claude_gateway_sessions_refresh", "refresh_sha256", unique=True),
    Index("claude_gateway_sessions_previous", "previous_sha256"),
    Index("claude_gateway_sessions_user", "user_key"),
    Index("claude_gateway_sessions_email", "email_key"),
    Index("claude_gateway_sessions_created", "created_at", "id"),
    Index("claude_gateway_sessions_expiry", "expires_at"),
    Index("claude_gateway_sessions_revocation", "revocation", "id"),
)

spent_refresh_tokens = Table(
    "claude_gateway_spent_refresh_tokens",
    metadata,
    Column("sha256", LargeBinary, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("spent_at", Double, nullable=False),
    Column("grace_until", Double, nullable=False),
    Index("claude_gateway_spent_refresh_tokens_age", "spent_at"),
)

revocations = Table(
    "claude_gateway_revocations",
    metadata,
    Column("name", Text, primary_key=True),  # the one row is "sessions"
    Column("number", BigInteger, nullable=False),
)

pods = Table(
    "claude_gateway_pods",
    metadata,
    Column("id", Text, primary_key=True),
    Column("beat_at", Double, nullable=False),  # by the database's clock
)
