"""Sessions can be found by their end, to be forgotten then."""

from app.db.online import create_index, drop_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index("ix_sessions_expires_at", "sessions", ["expires_at"])


def downgrade() -> None:
    drop_index("ix_sessions_expires_at", "sessions")
