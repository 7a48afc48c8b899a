"""SQL of resumable uploads.

While an upload is open, its objects are on the list of orphaned objects with the time `infinity`: the sweeper ignores
them. They get a finite time in the transaction that ends the upload.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, CursorResult, String, bindparam, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import StorageUnavailable
from app.images.maintenance.orphan_repository import OrphanRepository
from app.models import Image
from app.models.upload import Upload, UploadPart, UploadState

_KEEP_OBJECTS = text("UPDATE orphaned_objects SET orphaned_at = 'infinity' WHERE storage_key = ANY(:keys)").bindparams(
    bindparam("keys", type_=ARRAY(String))
)

_UNSYNCHRONIZED = {"synchronize_session": False}


class Writer(NamedTuple):
    """The request that may write to an upload, and whether another request waits for it to end."""

    id: uuid.UUID | None
    handover_requested: bool


class CancelledUpload(NamedTuple):
    """The objects of an upload that has ended, and its multipart upload in the object store."""

    keys: list[str]
    multipart_id: str | None


class UploadRepository:
    """All SQL of resumable uploads."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, upload: Upload) -> None:
        """Insert an upload. If it is open, its storage key is on the list of orphaned objects, and its object is kept.

        Raises StorageUnavailable if the key is not on the list any more.
        """
        self._session.add(upload)
        await self._session.flush()
        if upload.state == UploadState.OPEN:
            await self._keep_objects([upload.storage_key])

    async def find(self, upload_id: uuid.UUID) -> Upload | None:
        """Return the upload in any state."""
        return await self._session.get(Upload, upload_id)

    async def list_open(self, user_id: uuid.UUID, limit: int) -> Sequence[Upload]:
        """Return the uploads in progress of an account, oldest first."""
        statement = select(Upload).where(Upload.user_id == user_id, *_is_open()).order_by(Upload.created_at, Upload.id)
        return (await self._session.scalars(statement.limit(limit))).all()

    async def count_open(self, user_id: uuid.UUID | None, client: str | None) -> int:
        """Return the number of uploads in progress of an account, or of a client without an account."""
        owner = Upload.client == client if user_id is None else Upload.user_id == user_id
        return await self._session.scalar(select(func.count()).select_from(Upload).where(owner, *_is_open())) or 0

    async def acquire(self, upload_id: uuid.UUID, writer: uuid.UUID | None) -> Upload | None:
        """Let this request write, and no other; None lets none write. Return the open upload, or None."""
        statement = (
            update(Upload)
            .where(Upload.id == upload_id, *_is_open())
            .values(writer=writer, handover_requested=False)
            .returning(Upload)
        )
        return (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def find_writer(self, upload_id: uuid.UUID) -> Writer:
        """Return the writer of an open upload."""
        statement = select(Upload.writer, Upload.handover_requested).where(Upload.id == upload_id, *_is_open())
        row = (await self._session.execute(statement)).one_or_none()
        return Writer(None, handover_requested=False) if row is None else Writer(*row)

    async def request_handover(self, upload_id: uuid.UUID) -> None:
        """Ask the writer, which another worker may run, to store its bytes and to end."""
        await self._session.execute(
            update(Upload).where(Upload.id == upload_id, Upload.writer.is_not(None)).values(handover_requested=True)
        )

    async def release(self, upload_id: uuid.UUID, writer: uuid.UUID) -> None:
        """End the right to write."""
        statement = update(Upload).where(Upload.id == upload_id, Upload.writer == writer)
        await self._session.execute(statement.values(writer=None, handover_requested=False))

    async def change(self, upload_id: uuid.UUID, writer: uuid.UUID, values: dict[str, Any]) -> bool:
        """Change columns of an open upload. Returns False if the request is not its writer any more."""
        statement = update(Upload).where(Upload.id == upload_id, Upload.writer == writer, *_is_open()).values(values)
        return await _changed(self._session, statement)

    async def list_parts(self, upload_id: uuid.UUID) -> Sequence[UploadPart]:
        """Return the stored parts in the order of their bytes."""
        statement = select(UploadPart).where(UploadPart.upload_id == upload_id).order_by(UploadPart.start)
        return (await self._session.scalars(statement)).all()

    async def list_tail(self, upload_id: uuid.UUID) -> Sequence[UploadPart]:
        """Return the stored objects that are not a part yet, in the order of their bytes."""
        statement = select(UploadPart).where(UploadPart.upload_id == upload_id, UploadPart.storage_key.is_not(None))
        return (await self._session.scalars(statement.order_by(UploadPart.start))).all()

    async def add_parts(self, parts: Iterable[UploadPart]) -> None:
        """Insert parts. The objects of those that are objects of their own must be on the list of orphaned objects.

        Raises StorageUnavailable if the sweeper has deleted one of them.
        """
        added = list(parts)
        self._session.add_all(added)
        await self._session.flush()
        if keys := [part.storage_key for part in added if part.storage_key]:
            await self._keep_objects(keys)

    async def remove_parts(self, upload_id: uuid.UUID, parts: Sequence[UploadPart]) -> None:
        """Delete parts, and release the objects of those that are objects of their own."""
        if parts:
            starts = [part.start for part in parts]
            await self._session.execute(
                delete(UploadPart).where(UploadPart.upload_id == upload_id, UploadPart.start.in_(starts))
            )
            await self._release_objects([part.storage_key for part in parts if part.storage_key])

    async def complete(self, upload: Upload, writer: uuid.UUID, image: Image) -> bool:
        """Record the image, which owns its object now. Returns False if the request is not the writer any more."""
        values = {"state": UploadState.COMPLETE, "image_id": image.id, "received_bytes": image.size}
        ended = {"length": image.size, "writer": None, "multipart_id": None}
        if not await self.change(upload.id, writer, {**values, **ended}):
            return False
        await self.remove_parts(upload.id, await self.list_parts(upload.id))
        if image.storage_key != upload.storage_key:
            # No object has this key. It would reserve the bytes of the image a second time.
            await OrphanRepository(self._session).unmark_orphaned([upload.storage_key])
        return True

    async def cancel(self, upload: Upload, writer: uuid.UUID | None = None) -> CancelledUpload | None:
        """End an open upload, with a writer only if it still is that, and release its objects."""
        statement = update(Upload).where(Upload.id == upload.id, Upload.state == UploadState.OPEN)
        if writer is not None:
            statement = statement.where(Upload.writer == writer)
        # Not the id that `upload` has: an append may have begun the multipart upload since.
        cancelled = statement.values(state=UploadState.CANCELLED, writer=None).returning(Upload.multipart_id)
        row = (await self._session.execute(cancelled, execution_options=_UNSYNCHRONIZED)).one_or_none()
        if row is None:
            return None
        parts = await self.list_parts(upload.id)
        await self.remove_parts(upload.id, parts)
        keys = [upload.storage_key, *(part.storage_key for part in parts if part.storage_key)]
        await self._release_objects([upload.storage_key])
        return CancelledUpload(keys, row.multipart_id)

    async def cancel_all(self, user_id: uuid.UUID) -> None:
        """End the uploads in progress of an account."""
        statement = select(Upload).where(Upload.user_id == user_id, Upload.state == UploadState.OPEN)
        for upload in (await self._session.scalars(statement.order_by(Upload.id).with_for_update())).all():
            await self.cancel(upload)

    async def remove_expired(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` uploads that expired before this time, and release their objects."""
        statement = (
            select(Upload)
            .where(Upload.expires_at < before)
            .order_by(Upload.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        expired = (await self._session.scalars(statement)).all()
        for upload in expired:
            await self.cancel(upload)
        await self._session.execute(delete(Upload).where(Upload.id.in_([upload.id for upload in expired])))
        return len(expired)

    async def _keep_objects(self, keys: Sequence[str]) -> None:
        kept = await self._session.execute(_KEEP_OBJECTS, {"keys": keys})
        assert isinstance(kept, CursorResult)  # noqa: S101 - what an UPDATE returns
        if kept.rowcount != len(keys):
            raise StorageUnavailable("The sweeper deleted an object before it was part of an upload")

    async def _release_objects(self, keys: Sequence[str]) -> None:
        if keys:
            await OrphanRepository(self._session).mark_orphaned(sorted(keys))


def _is_open() -> tuple[Any, ...]:
    return Upload.state == UploadState.OPEN, Upload.expires_at > func.now()


async def _changed(session: AsyncSession, statement: Any) -> bool:
    result = await session.execute(statement, execution_options=_UNSYNCHRONIZED)
    assert isinstance(result, CursorResult)  # noqa: S101 - what an UPDATE returns
    return result.rowcount > 0
