"""Deleting accounts: where an account, its images and their objects end."""

import contextlib
import uuid

from app.administration.repository import AccountRepository
from app.administration.schemas import ImagesOnDeletion
from app.core.errors import AppError, DatabaseBusy
from app.db.keyset import Position
from app.http.container import Container
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.repository import ImageRepository
from app.images.storage_keys import rendition_keys
from app.uploads.repository import UploadRepository
from app.users.accounts.repository import START, UserRepository
from app.users.revocation import revoke_credentials

# Images that lose their owner in one transaction: a second's work, since each of their indexes is written.
DETACH_BATCH = 1000
# Images that are deleted in one transaction: each has up to six objects.
DELETE_BATCH = 200
# How often images that were uploaded meanwhile are deleted as well.
ATTEMPTS = 5


class Closing:
    """Deletes accounts. Raises DatabaseBusy where other changes are in the way.

    The images come first, in transactions of their own: in one, many of them would exceed every time limit. After an
    error the account still exists, without some of its images, and the same request continues.
    """

    def __init__(self, container: Container) -> None:
        self._database = container.database
        self._object_store = container.object_store

    async def close_own(self, user_id: uuid.UUID, images: ImagesOnDeletion) -> None:
        """Delete the caller's account. Raises LastAdmin, InvalidToken, DatabaseBusy."""
        async with self._database.unit_of_work() as session:
            await AccountRepository(session).require_other_admin(user_id)
            user = await UserRepository(session).get_for_change(user_id)
            user.is_admin = False
        await self._close(user_id, images)

    async def close(self, user_id: uuid.UUID, images: ImagesOnDeletion) -> None:
        """Delete an account for an admin; it is disabled first. Raises UserNotFound, LastAdmin, DatabaseBusy."""
        async with self._database.unit_of_work() as session:
            accounts = AccountRepository(session)
            await accounts.require_other_admin(user_id)
            user = await accounts.lock(user_id)
            user.is_admin, user.disabled = False, True
            await session.flush()
            await revoke_credentials(session, user_id)
        await self._close(user_id, images)

    async def _close(self, user_id: uuid.UUID, images: ImagesOnDeletion) -> None:
        for _ in range(ATTEMPTS):
            await (self._delete_images if images == "delete" else self._detach_images)(user_id)
            if await self._remove_account(user_id, images):
                return
        raise DatabaseBusy("The account has uploads in progress. Try again.")

    async def _remove_account(self, user_id: uuid.UUID, images: ImagesOnDeletion) -> bool:
        async with self._database.unit_of_work() as session:
            accounts = AccountRepository(session)
            # It may have been made an admin again in the meantime.
            await accounts.require_other_admin(user_id)
            if images == "delete" and await accounts.owns_images(user_id):
                return False
            await UploadRepository(session).cancel_all(user_id)
            await UserRepository(session).remove(user_id)
            return True

    async def _detach_images(self, user_id: uuid.UUID) -> None:
        """Remove the owner of the images: an image without one is seen only by those who saw it before."""
        position: Position | None = START
        while position is not None:
            async with self._database.unit_of_work() as session:
                position = await UserRepository(session).detach_images(user_id, position, DETACH_BATCH)

    async def _delete_images(self, user_id: uuid.UUID) -> None:
        position: Position | None = START
        while position is not None:
            async with self._database.unit_of_work() as session:
                removed = await ImageRepository(session).remove_owned(user_id, position, DELETE_BATCH)
            position = removed.position
            await self._remove_objects(removed.keys)

    async def _remove_objects(self, keys: list[str]) -> None:
        """Delete the objects of images; the sweeper deletes what remains."""
        if keys:
            with contextlib.suppress(AppError):
                await self._object_store.remove([one for key in keys for one in rendition_keys(key)])
                await remove_orphans(self._database, self._object_store, keys)
