"""Sign-ins, sessions, revocations and pods."""

from alembic import op
from sqlalchemy import BigInteger, Column, Double, LargeBinary, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "claude_gateway_sign_ins",
        Column("id", Text, primary_key=True),
        Column("device_code_sha256", LargeBinary, nullable=False),
        Column("user_code", Text, nullable=False),
        Column("surface", Text, nullable=False),
        Column("address", Text, nullable=False),
        Column("expires_at", Double, nullable=False),
        Column("state", Text, nullable=False),
        Column("callback_hash", LargeBinary),
        Column("last_polled_at", Double),
        Column("poll_interval", Double),
        Column("polled_early", BigInteger),
        Column("person", Text),
        Column("provider_refresh_token_sealed", LargeBinary),
    )
    sign_ins = "claude_gateway_sign_ins"
    op.create_index("claude_gateway_sign_ins_device_code", sign_ins, ["device_code_sha256"], unique=True)
    op.create_index("claude_gateway_sign_ins_user_code", sign_ins, ["user_code"], unique=True)
    op.create_index("claude_gateway_sign_ins_expiry", sign_ins, ["expires_at"])
    op.create_table(
        "claude_gateway_sessions",
        Column("id", Text, primary_key=True),
        Column("provider", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("email", Text),
        Column("groups", Text, nullable=False),
        Column("user_key", Text, nullable=False),
        Column("email_key", Text),
        Column("refresh_sha256", LargeBinary, nullable=False),
        Column("previous_sha256", LargeBinary),
        Column("previous_until", Double),
        Column("sealed_successor", LargeBinary),
        Column("provider_refresh_token_sealed", LargeBinary),
        Column("claimed_until", Double),
        Column("created_at", Double, nullable=False),
        Column("last_used_at", Double, nullable=False),
        Column("expires_at", Double, nullable=False),
        Column("revoked_at", Double),
        Column("revoked_reason", Text),
        Column("revocation", BigInteger),
    )
    sessions = "claude_gateway_sessions"
    op.create_index("claude_gateway_sessions_refresh", sessions, ["refresh_sha256"], unique=True)
    op.create_index("claude_gateway_sessions_previous", sessions, ["previous_sha256"])
    op.create_index("claude_gateway_sessions_user", sessions, ["user_key"])
    op.create_index("claude_gateway_sessions_email", sessions, ["email_key"])
    op.create_index("claude_gateway_sessions_created", sessions, ["created_at", "id"])
    op.create_index("claude_gateway_sessions_expiry", sessions, ["expires_at"])
    op.create_index("claude_gateway_sessions_revocation", sessions, ["revocation", "id"])
    op.create_table(
        "claude_gateway_spent_refresh_tokens",
        Column("sha256", LargeBinary, primary_key=True),
        Column("session_id", Text, nullable=False),
        Column("spent_at", Double, nullable=False),
        Column("grace_until", Double, nullable=False),
    )
    op.create_index("claude_gateway_spent_refresh_tokens_age", "claude_gateway_spent_refresh_tokens", ["spent_at"])
    op.create_table(
        "claude_gateway_revocations",
        Column("name", Text, primary_key=True),
        Column("number", BigInteger, nullable=False),
    )
    op.execute("INSERT INTO claude_gateway_revocations (name, number) VALUES ('sessions', 0)")
    op.create_table(
        "claude_gateway_pods",
        Column("id", Text, primary_key=True),
        Column("beat_at", Double, nullable=False),
    )
