"""SQL of the accounts."""

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import and_, bindparam, delete, exists, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.callers import rate_limit_network
from app.core.errors import InvalidToken
from app.core.text.email_addresses import email_key
from app.db.asyncpg_queries import SessionRunner, Statement, StatementRunner
from app.db.base import utc_now
from app.db.database import set_lock_timeout
from app.db.keyset import Position, newest_first
from app.models import SocialIdentity, User, UserSession
from app.users import errors as _errors  # noqa: F401 - violations of constraints are reported as these

# Run at each request that is signed in.
_BY_SESSION = Statement(
    select(User.__table__)
    .join(UserSession, UserSession.user_id == User.id)
    .where(
        User.id == bindparam("user"), UserSession.id == bindparam("session"), UserSession.expires_at > bindparam("now")
    )
    .where(User.disabled.is_(False))
)

# A batch starts at the end of the last one, in the order of an index, so that no row is read twice. The rows are locked
# in the order in which every other change of many images locks them.
_DETACH_IMAGES = text("""
    WITH chosen AS MATERIALIZED (
        SELECT id, created_at FROM images
        WHERE uploaded_by = :owner AND (created_at, id) > (:created_at, :id)
        ORDER BY created_at, id LIMIT :limit
    ), locked AS MATERIALIZED (
        SELECT images.id FROM images JOIN chosen ON chosen.id = images.id
        ORDER BY images.id FOR NO KEY UPDATE OF images
    ), detached AS (
        UPDATE images SET uploaded_by = NULL FROM locked WHERE images.id = locked.id
    )
    SELECT created_at, id FROM chosen ORDER BY created_at DESC, id DESC LIMIT 1
""")
_COLUMNS = tuple(User.__table__.c.keys())
# Before the first image.
START: Position = (datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0))


async def find_by_session(statements: StatementRunner, user_id: uuid.UUID, session_id: uuid.UUID) -> User | None:
    """Return the account, when this session of it is still open. The object belongs to no session of SQLAlchemy."""
    row = await statements.fetch_one(_BY_SESSION, {"user": user_id, "session": session_id, "now": utc_now()})
    if row is None:
        return None
    user = User()
    # As SQLAlchemy loads a row. Its constructor would note a change of each attribute, which takes six times as long.
    vars(user).update(zip(_COLUMNS, row, strict=True))
    return user


class UserRepository:
    """All SQL about accounts."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, email: str, password_hash: str | None, *, email_verified: bool = False) -> User:
        """Insert an account. Raises EmailTaken."""
        user = User(email=email, password=password_hash, email_verified=email_verified)
        self._session.add(user)
        await self._session.flush()
        await self._session.refresh(user)
        return user

    async def find_by_email(self, email: str) -> User | None:
        """Return the account with this address, in any case."""
        return await self._session.scalar(select(User).where(User.email_key == email_key(email)))

    async def find_by_email_for_change(self, email: str) -> User | None:
        """Return the account with this address, with its row locked until the commit."""
        return await self._session.scalar(
            select(User).where(User.email_key == email_key(email)).with_for_update(key_share=True)
        )

    async def find_for_sign_in(self, email: str, address: str | None) -> tuple[User | None, bool]:
        """Return the account, and whether it has an open session from this address or one of its network.

        One statement, so that an unknown address takes as long as a known one.
        """
        same_place = or_(UserSession.network == rate_limit_network(address), UserSession.address == address)
        known = exists().where(UserSession.user_id == User.id, same_place, UserSession.expires_at > utc_now())
        row = (await self._session.execute(select(User, known).where(User.email_key == email_key(email)))).one_or_none()
        return (None, False) if row is None else (row[0], row[1])

    async def find_by_session(self, user_id: uuid.UUID, session_id: uuid.UUID) -> User | None:
        """Return the account, when this session of it is still open."""
        return await find_by_session(SessionRunner(self._session), user_id, session_id)

    async def find_by_session_for_change(self, session_id: uuid.UUID) -> User | None:
        """Return the account of an open session, with its row locked until the commit."""
        statement = select(User).join(UserSession, UserSession.user_id == User.id)
        still_open = statement.where(UserSession.id == session_id, UserSession.expires_at > func.now())
        return await self._session.scalar(still_open.with_for_update(of=User, key_share=True))

    async def get_for_change(self, user_id: uuid.UUID) -> User:
        """Return the account and lock its row until the commit. Raises InvalidToken if it was deleted."""
        user = await self._session.scalar(select(User).where(User.id == user_id).with_for_update(key_share=True))
        if user is None:
            raise InvalidToken("The account was deleted")
        return user

    async def find_unchanged(self, user_id: uuid.UUID, password_hash: str | None) -> User | None:
        """Return the account if its password is still the one that was checked, and keep it so until the commit.

        Without this a sign-in with the old password could slip in behind a change of it that ends all sessions. A
        disabled account is not returned.
        """
        unchanged = and_(User.password.is_not_distinct_from(password_hash), User.disabled.is_(False))
        return await self._session.scalar(select(User).where(User.id == user_id, unchanged).with_for_update(read=True))

    async def update_password_hash(self, user_id: uuid.UUID, old: str, new: str) -> None:
        """Store a hash made with newer parameters, unless the password was changed meanwhile."""
        await self._session.execute(update(User).where(User.id == user_id, User.password == old).values(password=new))

    async def list_newest(self, email: str | None, after: Position | None, limit: int) -> Sequence[User]:
        """Return up to `limit` accounts, newest first, after the position; with `email` only the one that has it."""
        statement = select(User) if email is None else select(User).where(User.email_key == email_key(email))
        return (await self._session.scalars(newest_first(statement, User, after, limit))).all()

    async def list_emails(self, user_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return the addresses of those accounts that exist."""
        return dict((await self._session.execute(select(User.id, User.email).where(User.id.in_(user_ids)))).all())

    async def list_providers(self, user_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
        """Return the sorted names of the identity providers linked to each of the accounts."""
        columns = select(SocialIdentity.user_id, SocialIdentity.provider).distinct()
        rows = await self._session.execute(
            columns.where(SocialIdentity.user_id.in_(user_ids)).order_by(SocialIdentity.provider)
        )
        providers: dict[uuid.UUID, list[str]] = {user_id: [] for user_id in user_ids}
        for user_id, provider in rows:
            providers[user_id].append(provider)
        return providers

    async def detach_images(self, user_id: uuid.UUID, after: Position, limit: int) -> Position | None:
        """Take the account off up to `limit` of its images after the position; return where they end, None at the end.

        Raises DatabaseBusy.
        """
        await set_lock_timeout(self._session)
        values = {"owner": user_id, "created_at": after[0], "id": after[1], "limit": limit}
        row = (await self._session.execute(_DETACH_IMAGES, values)).one_or_none()
        return None if row is None else (row.created_at, row.id)

    async def remove(self, user_id: uuid.UUID) -> bool:
        """Delete the account; return whether it existed. Its sessions, keys and identities are deleted, too.

        Its images stay without an owner. It rewrites each one that was not detached before. Raises DatabaseBusy.
        """
        await set_lock_timeout(self._session)
        removed = delete(User).where(User.id == user_id).returning(User.id)
        return await self._session.scalar(removed) is not None
