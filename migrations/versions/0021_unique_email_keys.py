"""Fill in the keys of existing addresses and make them unique.

Accounts whose addresses have the same key are reported, and nothing is decided for their owners. The migration can be
repeated: it goes on with the addresses that have no key.
"""

import re
import unicodedata
from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

from app.db.migrate import MigrationRefused
from app.db.online_ddl import create_index, drop_index

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

INDEX = "ix_users_email_key"
BATCH = 1000
REPORTED = 50
# As `app.core.text.email_addresses` had it when this revision was written.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
NEXT = sa.text("SELECT id, email FROM users WHERE email_key IS NULL LIMIT :batch")
FILL = sa.text(
    "UPDATE users SET email_key = k.key FROM unnest(:ids, :emails, :keys) AS k(id, email, key) "
    # Not of an address that was changed meanwhile: the trigger has filled that one in.
    "WHERE users.id = k.id AND users.email = k.email"
).bindparams(
    sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)),
    sa.bindparam("emails", type_=sa.ARRAY(sa.String)),
    sa.bindparam("keys", type_=sa.ARRAY(sa.String)),
)
FOUND = "E-mail addresses are case-insensitive now, and the accounts of each of these lines have the same address:"
ADVICE = """\
No account was changed. For each line, decide which account keeps the address, and give the others another one:
  UPDATE users SET email = '<another address>' WHERE id = '<id>';
or delete them; their images stay, without an owner:
  DELETE FROM users WHERE id = '<id>';
Then run the migration again."""
SAME = sa.text(
    "SELECT string_agg(format('%s (%s, since %s)', email, id, created_at::date), ', ' ORDER BY created_at, id) "
    "FROM users GROUP BY email_key HAVING count(*) > 1 ORDER BY min(created_at) LIMIT :most"
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        while rows := connection.execute(NEXT, {"batch": BATCH}).all():
            ids, emails = [row.id for row in rows], [row.email for row in rows]
            connection.execute(FILL, {"ids": ids, "emails": emails, "keys": [email_key(one) for one in emails]})
        same = connection.execute(SAME, {"most": REPORTED}).scalars().all()
    if same:
        raise MigrationRefused(report(same))
    create_index(INDEX, "users", ["email_key"], unique=True)


def report(same: Iterable[str]) -> str:
    return "\n".join([FOUND, *(f"  {accounts}" for accounts in same), ADVICE])


def email_key(address: str) -> str:
    local, at, domain = address.rpartition("@")
    folded = unicodedata.normalize("NFKC", local).casefold()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    return f"{INVISIBLE.sub('', folded)}{at}{domain.lower()}"


def downgrade() -> None:
    drop_index(INDEX, "users")
