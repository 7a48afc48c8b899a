"""Sessions that tell reuse from a race, API keys, social identities and logins under way."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("email_verified", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])
    op.add_column("sessions", sa.Column("previous_digest", sa.LargeBinary()))
    op.add_column("sessions", timestamp("rotated_at", server_default=sa.func.now(), nullable=False))
    op.add_column("sessions", sa.Column("address", sa.String()))
    op.add_column("sessions", sa.Column("user_agent", sa.String()))
    create_api_keys()
    create_social()


def downgrade() -> None:
    for table in ("social_sign_ins", "social_identities", "api_keys"):
        op.drop_table(table)
    for column in ("user_agent", "address", "rotated_at", "previous_digest"):
        op.drop_column("sessions", column)
    op.drop_index("ix_users_created_at_id", "users")
    op.drop_column("users", "email_verified")


def timestamp(name: str, **options: object) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.String()), nullable=False),
        timestamp("created_at", server_default=sa.func.now(), nullable=False),
        timestamp("expires_at"),
        timestamp("last_used_at"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("key_digest", name="uq_api_keys_key_digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id_users", ondelete="CASCADE"),
        sa.CheckConstraint(
            "cardinality(scopes) > 0 AND scopes <@ '{read,write,admin}'::varchar[]", name=op.f("ck_api_keys_scopes")
        ),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])


def create_social() -> None:
    op.create_table(
        "social_identities",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        timestamp("created_at", server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_social_identities"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_social_identities_user_id_users", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_social_identities_user_id", "social_identities", ["user_id"])
    op.create_table(
        "social_sign_ins",
        sa.Column("state_digest", sa.LargeBinary(), nullable=False),
        sa.Column("browser_digest", sa.LargeBinary(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("code_verifier", sa.String(), nullable=False),
        sa.Column("session_id", sa.Uuid()),
        timestamp("expires_at", nullable=False),
        sa.PrimaryKeyConstraint("state_digest", name="pk_social_sign_ins"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_social_sign_ins_session_id_sessions", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_social_sign_ins_session_id", "social_sign_ins", ["session_id"])
    op.create_index("ix_social_sign_ins_expires_at", "social_sign_ins", ["expires_at"])
