"""Sessions can be found by their end, to be forgotten then, and know the network that they were opened from."""

import sqlalchemy as sa
from alembic import op

from app.db.online_ddl import create_index, drop_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.add_column("sessions", sa.Column("network", sa.String()))


def downgrade() -> None:
    op.drop_column("sessions", "network")
    drop_index("ix_sessions_expires_at", "sessions")
