"""Rename tags whose names are refused now: path segments, operators of the search language, invisible characters.

A name that clients cannot put into a path cannot be renamed or removed through the API either. The tag keeps its id,
and so its images, aliases and implications: `..` becomes `.. (tag)`, or `.. (tag 2)` where that name is in use.
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

RESERVED = (".", "..", "or", "and", "not")
# The letters and marks among Default_Ignorable_Code_Point; other ignorable characters were refused before.
INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
MAX_LENGTH = 64

FIND = sa.text("SELECT id, name FROM tags WHERE name IN :reserved OR name ~ :invisible ORDER BY id").bindparams(
    sa.bindparam("reserved", expanding=True)
)
IS_USED = sa.text("SELECT EXISTS (SELECT FROM tags WHERE name = :name)")
RENAME = sa.text("UPDATE tags SET name = :name WHERE id = :id")


def upgrade() -> None:
    connection = op.get_bind()
    found = connection.execute(FIND, {"reserved": RESERVED, "invisible": f"[{INVISIBLE}]"}).all()
    for tag in found:
        connection.execute(RENAME, {"id": tag.id, "name": free_name(connection, tag.name)})
    if found:
        # Cached responses contain the old names.
        op.execute("UPDATE cache_state SET epoch = epoch + 1")


def free_name(connection: sa.Connection, name: str) -> str:
    """Return an accepted name that no other tag has."""
    visible = " ".join(re.sub(f"[{INVISIBLE}]", "", name).split()).lstrip("-~ ") or "invisible"
    number, free = 1, visible
    while free in RESERVED or connection.scalar(IS_USED, {"name": free}):
        suffix = " (tag)" if number == 1 else f" (tag {number})"
        free, number = visible[: MAX_LENGTH - len(suffix)] + suffix, number + 1
    return free


def downgrade() -> None:
    """The new names stay: they are valid for the previous release, too."""
