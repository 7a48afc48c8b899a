"""Add the form by which e-mail addresses are compared; a trigger fills it in for the previous release.

The trigger lower-cases, which is the same for ASCII. This release writes the key itself.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

FILL_EMAIL_KEY = """
CREATE FUNCTION fill_email_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.email_key IS NULL THEN
        NEW.email_key := lower(NEW.email);
    ELSIF TG_OP = 'UPDATE' THEN
        IF NEW.email_key = OLD.email_key AND lower(NEW.email) <> lower(OLD.email) THEN
            NEW.email_key := lower(NEW.email);
        END IF;
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.add_column("users", sa.Column("email_key", sa.String(), nullable=True))
    op.execute(FILL_EMAIL_KEY)
    op.execute(
        "CREATE TRIGGER users_email_key BEFORE INSERT OR UPDATE OF email ON users "
        "FOR EACH ROW EXECUTE FUNCTION fill_email_key()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER users_email_key ON users")
    op.execute("DROP FUNCTION fill_email_key()")
    op.drop_column("users", "email_key")
