"""The private tags of the images stored so far.

After the triggers are committed, which wait for every writer that does not know of them: so no image is left out.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        INSERT INTO private_tags (tag, owner)
        SELECT DISTINCT t.id, coalesce(uploaded_by, '00000000-0000-0000-0000-000000000000')
        FROM images, unnest(tag_ids) AS t(id) WHERE visibility = 'private' ORDER BY 1, 2
        ON CONFLICT DO NOTHING""")
    # Cached lists contain the tags of private images.
    op.execute("UPDATE cache_state SET epoch = epoch + 1")


def downgrade() -> None:
    """Leave the rows: the migration before this one drops the table."""
