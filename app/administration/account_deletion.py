"""Deletes accounts with their trash, and with or without their images."""

import contextlib
import uuid

from app.administration.account_audit import AccountState, write_account_changes
from app.administration.repository import AccountRepository
from app.audit.audit_log import AuditLog
from app.core.errors import AppError, DatabaseBusy
from app.core.resource_paths import user_path
from app.db.database import Database
from app.db.keyset import Position
from app.images.maintenance.orphan_cleanup import remove_orphans
from app.images.repository import ImageRepository
from app.images.storage_keys import rendition_keys
from app.images.trash.repository import TrashRepository
from app.models import AuditAction
from app.storage.object_store import ObjectStore
from app.uploads.repository import UploadRepository
from app.users.accounts.repository import START, UserRepository
from app.users.revocation import revoke_credentials

# Images that lose their owner in one transaction, which takes about a second: every index of an image is written.
DETACH_BATCH = 1000
# Images that are deleted in one transaction. Each has up to six objects.
DELETE_BATCH = 200
# Attempts to delete an account whose owner uploads images at the same time.
ATTEMPTS = 5


class AccountDeletion:
    """Deletes accounts. Raises DatabaseBusy if other transactions hold the locks.

    The images are deleted or detached first, in batches: one transaction for all would exceed the statement timeout.
    After an error, the account still exists without some of its images, and a repeated request continues.

    The audit trail has the loss of access in the first transaction, and the deletion in the last one.
    """

    def __init__(self, database: Database, object_store: ObjectStore, audit: AuditLog) -> None:
        self._database, self._object_store, self._audit = database, object_store, audit

    async def delete_own(self, user_id: uuid.UUID, *, delete_images: bool) -> None:
        """Delete the caller's account. Raises LastAdmin, InvalidToken, DatabaseBusy."""
        async with self._database.unit_of_work() as session:
            await AccountRepository(session).require_other_admin(user_id)
            user = await UserRepository(session).get_for_change(user_id)
            before = AccountState.of(user)
            user.is_admin = False
            await write_account_changes(self._audit, session, before, user)
        await self._delete(user_id, delete_images=delete_images)

    async def delete(self, user_id: uuid.UUID, *, delete_images: bool) -> None:
        """Delete an account for an admin; it is disabled first. Raises UserNotFound, LastAdmin, DatabaseBusy."""
        async with self._database.unit_of_work() as session:
            accounts = AccountRepository(session)
            await accounts.require_other_admin(user_id)
            user = await accounts.get_for_change(user_id)
            before = AccountState.of(user)
            user.is_admin, user.disabled = False, True
            await session.flush()
            await write_account_changes(self._audit, session, before, user)
            await revoke_credentials(session, user_id)
        await self._delete(user_id, delete_images=delete_images)

    async def _delete(self, user_id: uuid.UUID, *, delete_images: bool) -> None:
        for _ in range(ATTEMPTS):
            await (self._delete_images if delete_images else self._detach_images)(user_id)
            await self._delete_trash(user_id)
            if await self._remove_account(user_id, delete_images=delete_images):
                return
        raise DatabaseBusy("The account has uploads in progress. Try again.")

    async def _remove_account(self, user_id: uuid.UUID, *, delete_images: bool) -> bool:
        async with self._database.unit_of_work() as session:
            accounts = AccountRepository(session)
            # It may have been made an admin again in the meantime.
            await accounts.require_other_admin(user_id)
            await accounts.lock(user_id)
            if await TrashRepository(session).has_owned(user_id):
                return False
            if delete_images and await accounts.has_images(user_id):
                return False
            await UploadRepository(session).cancel_all(user_id)
            if await UserRepository(session).remove(user_id):
                members = {"images": "deleted" if delete_images else "kept"}
                await self._audit.write(session, AuditAction.ACCOUNT_DELETE, user_path(user_id), after=members)
            return True

    async def _detach_images(self, user_id: uuid.UUID) -> None:
        """Remove the owner of the images. This makes no image visible to other users."""
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

    async def _delete_trash(self, user_id: uuid.UUID) -> None:
        keys: list[str] | None = None
        while keys is None or keys:
            async with self._database.unit_of_work() as session:
                keys = await TrashRepository(session).remove_owned(user_id, DELETE_BATCH)
            await self._remove_objects(keys)

    async def _remove_objects(self, keys: list[str]) -> None:
        """Delete the objects of images; the sweeper deletes what remains."""
        if keys:
            with contextlib.suppress(AppError):
                await self._object_store.remove([one for key in keys for one in rendition_keys(key)])
                await remove_orphans(self._database, self._object_store, keys)
