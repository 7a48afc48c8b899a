"""Opening, changing and closing accounts: where an account and its password, which is hashed, meet."""

import uuid
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import RecentSignInRequired, ValidationFailed, WrongPassword
from app.db.base import utc_now
from app.http.state import Services
from app.models import User
from app.users.limits import password_check_charges, sign_up_charges
from app.users.paging import Position
from app.users.repository import START, UserRepository
from app.users.schemas import UserCreate, UserUpdate
from app.users.session_repository import SessionRepository
from app.users.viewer import Viewer

# An account without a password proves itself by having signed in at its provider so recently.
RECENT = timedelta(minutes=10)
# Images that are given up at once: a second's work, since each of their indexes is written.
DETACH_BATCH = 1000


class Accounts:
    """Use cases of one's own account."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings

    async def sign_up(self, body: UserCreate, address: str | None) -> User:
        """Open an account. Raises EmailTaken, TooManyRequests."""
        await self._services.limits.charge(sign_up_charges(self._settings.sign_up_limits, body.email, address))
        # Hashed before the unit of work begins: no connection waits for it.
        password_hash = await self._services.passwords.hash(body.password)
        async with self._services.database.unit_of_work() as session:
            return await UserRepository(session).add(body.email, password_hash)

    async def change(self, viewer: Viewer, user: User, change: UserUpdate) -> User:
        """Change e-mail or password; a new password ends all other sessions.

        Raises WrongPassword, RecentSignInRequired, EmailTaken, ValidationFailed, TooManyRequests.
        """
        new_hash: str | None = None
        # Twice, because a concurrent sign-in may have renewed the hash that this one checked.
        for _ in range(2):
            await self._prove(viewer, user, change.current_password)
            if change.password and new_hash is None:
                # Not before: whoever may not guess any more is not to keep the hashing threads busy either.
                new_hash = await self._services.passwords.hash(change.password)
            async with self._services.database.unit_of_work() as session:
                current = await UserRepository(session).get_for_change(user.id)
                if current.password == user.password:
                    await _apply(session, current, change, new_hash, viewer.session_id)
                    return current
            user = current
        raise WrongPassword("The password was changed meanwhile")

    async def close(self, user_id: uuid.UUID) -> None:
        """Delete the account; its images stay, without an owner. Raises DatabaseBusy.

        The images come first, in units of work of their own: in one, many of them would outlast every time limit. Where
        it ends half way, the account is still there, without some of its images, and a repetition goes on. An image
        without an owner is seen by nobody who did not see it before.
        """
        position: Position | None = START
        while position is not None:
            async with self._services.database.unit_of_work() as session:
                position = await UserRepository(session).detach_images(user_id, position, DETACH_BATCH)
        async with self._services.database.unit_of_work() as session:
            await UserRepository(session).remove(user_id)

    async def _prove(self, viewer: Viewer, user: User, current_password: str | None) -> None:
        if user.password is None:
            await self._prove_by_sign_in(viewer)
            return
        if current_password is None:
            raise ValidationFailed.at(["body", "current_password"], "Field required", "missing")
        charges = password_check_charges(self._settings.login_limits, user.id)
        await self._services.limits.charge(charges)
        if not await self._services.passwords.verify(current_password, user.password):
            raise WrongPassword
        await self._services.limits.refund(charges)

    async def _prove_by_sign_in(self, viewer: Viewer) -> None:
        async with self._services.database.reader() as session:
            opened = await SessionRepository(session).find(viewer.session_id)
        if opened is None or opened.created_at < utc_now() - RECENT:
            raise RecentSignInRequired


async def _apply(
    session: AsyncSession, user: User, change: UserUpdate, new_hash: str | None, kept: uuid.UUID | None
) -> None:
    if change.email and change.email != user.email:
        user.email, user.email_verified = change.email, False
    if new_hash:
        user.password = new_hash
        await SessionRepository(session).remove_others(user.id, kept)
