"""SQL of resumable uploads.

While an upload is open, its objects are on the list of orphaned objects with the time `infinity`: the sweeper ignores
them. They get a finite time in the transaction that ends the upload.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, BigInteger, CursorResult, String, bindparam, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from app.core.errors import StorageUnavailable
from app.db.asyncpg_queries import Statement, StatementRunner
from app.images.maintenance.orphan_repository import OrphanRepository
from app.images.new_images import ImageSource, NameOwner
from app.models.image import Image
from app.models.upload import Upload, UploadPart, UploadState

_KEEP_OBJECTS = text("UPDATE orphaned_objects SET orphaned_at = 'infinity' WHERE storage_key = ANY(:keys)").bindparams(
    bindparam("keys", type_=ARRAY(String))
)

_UNSYNCHRONIZED = {"synchronize_session": False}


# The columns of a new upload; the other ones have their defaults.
_COLUMNS = (
    *("id", "user_id", "client", "name", "tags", "visibility", "on_conflict", "sha256", "client_metadata", "length"),
    *("storage_key", "writer", "expires_at"),
)
_ALL_COLUMNS = tuple(Upload.__table__.c.keys())
# Everything that the creation checks and writes, in one round trip. `whole_key` is for a file that arrives whole. A
# terminated request may still store bytes there, and never under the key of the upload.
_ADD = """
    WITH named AS (SELECT id, uploaded_by, visibility FROM images WHERE images.name = :refused_name),
    counted AS (
        SELECT count(*) AS number FROM uploads WHERE {owner} AND state = 'open' AND expires_at > now()
    ), allowed AS (SELECT number FROM counted WHERE number < :most AND NOT EXISTS (SELECT FROM named)),
    listed AS (
        INSERT INTO orphaned_objects (storage_key, orphaned_at, uploaded_by, reserved_bytes)
        SELECT :storage_key, CAST('infinity' AS timestamptz), :user_id, :reserved_bytes FROM allowed
    ), listed_whole AS (
        INSERT INTO orphaned_objects (storage_key) SELECT :whole_key FROM allowed WHERE :whole_key IS NOT NULL
    ), added AS (INSERT INTO uploads ({columns}) SELECT {values} FROM allowed RETURNING id)
    SELECT (SELECT number FROM counted), EXISTS (SELECT FROM added), (SELECT id FROM named),
        (SELECT uploaded_by FROM named), (SELECT visibility FROM named)"""
# A file that this request completes from the first byte on gets its key at once, as in _ADD.
_ACQUIRE = """
    WITH acquired AS (
        UPDATE uploads SET writer = :writer, handover_requested = false
        WHERE id = :id AND user_id IS NOT DISTINCT FROM :user_id AND state = 'open' AND expires_at > now()
        RETURNING {columns}
    ), listed_whole AS (
        INSERT INTO orphaned_objects (storage_key) SELECT :whole_key FROM acquired WHERE length = :whole_size
        RETURNING storage_key
    )
    SELECT coalesce((SELECT reserved_bytes FROM orphaned_objects o WHERE o.storage_key = acquired.storage_key), 0),
        (SELECT storage_key FROM listed_whole), {columns}
    FROM acquired"""
# The image owns its object. The key of the upload is on the list until then, also if it has no object.
_IMAGE_SOURCE_ROW = """
    SELECT id, storage_key FROM uploads
    WHERE id = :upload_id AND writer = :writer AND state = 'open' AND expires_at > now() FOR UPDATE"""
_IMAGE_SOURCE_CHANGES = """,
    completed AS (
        UPDATE uploads SET state = 'complete', image_id = made.id, received_bytes = :size, length = :size,
            writer = NULL, multipart_id = NULL
        FROM made WHERE uploads.id = :upload_id
    ), removed_parts AS (
        DELETE FROM upload_parts USING made WHERE upload_id = :upload_id RETURNING upload_parts.storage_key
    ), released_objects AS (
        UPDATE orphaned_objects o SET orphaned_at = now() FROM removed_parts p WHERE o.storage_key = p.storage_key
    ), released_key AS (
        DELETE FROM orphaned_objects o USING source, made
        WHERE o.storage_key = source.storage_key AND o.storage_key <> made.storage_key
    )"""


class AcquiredUpload(NamedTuple):
    """An open upload that a request may write to, and the bytes that it reserves of the quota of its account.

    `whole_key` is a listed key for a file that the request stores from its first byte to its last.
    """

    upload: Upload
    writer: uuid.UUID
    reserved_bytes: int
    whole_key: str | None


class Writer(NamedTuple):
    """The request that may write to an upload, and whether another request waits for it to end."""

    id: uuid.UUID | None
    handover_requested: bool


class CancelledUpload(NamedTuple):
    """The objects of an upload that has ended, and its multipart upload in the object store."""

    keys: list[str]
    multipart_id: str | None


class NewUploadRepository:
    """Creates and acquires uploads by single statements, in a session or without one."""

    def __init__(self, statements: StatementRunner) -> None:
        self._statements = statements

    async def add(self, upload: Upload, checks: "CreationChecks", whole_key: str | None) -> "CreationResult":
        """Insert an open upload with its reservation. Its storage key is on the list of orphaned objects, and is kept.

        Inserts nothing if a check fails.
        """
        values = {
            **{column: getattr(upload, column) for column in _COLUMNS},
            **checks._asdict(),
            "reserved_bytes": None if upload.user_id is None else upload.length or 0,
            "whole_key": whole_key,
        }
        row = await self._statements.fetch_one(_add_statement(is_anonymous=upload.user_id is None), values)
        assert row is not None  # noqa: S101 - the statement has no FROM
        number, is_added, *owner = row
        return CreationResult(number, is_added, NameOwner(*owner) if owner[0] else None)

    async def acquire(
        self, upload_id: uuid.UUID, user_id: uuid.UUID | None, writer: uuid.UUID, whole: "WholeFile | None"
    ) -> AcquiredUpload | None:
        """Let this request write, and no other. Return the open upload of this account, or None."""
        size, key = whole or (None, None)
        values = {"id": upload_id, "user_id": user_id, "writer": writer, "whole_size": size, "whole_key": key}
        row = await self._statements.fetch_one(_acquire_statement(), values)
        if row is None:
            return None
        reserved, listed_key, *columns = row
        return AcquiredUpload(Upload(**dict(zip(_ALL_COLUMNS, columns, strict=True))), writer, reserved, listed_key)


class WholeFile(NamedTuple):
    """The size of a file that a request ends, and the key of its object."""

    size: int
    key: str


class CreationChecks(NamedTuple):
    """The name that no image may have, and the limit of uploads in progress."""

    refused_name: str | None
    most: int


class CreationResult(NamedTuple):
    """The number of uploads in progress, whether the upload was inserted, and the image that has its name."""

    number: int
    is_added: bool
    name_owner: NameOwner | None


class UploadRepository:
    """The SQL of resumable uploads that needs a session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_complete(self, upload: Upload) -> bool:
        """Insert an upload that has its image already. Returns False if the image was deleted meanwhile."""
        image = select(Image.id).where(Image.id == upload.image_id).with_for_update(read=True, key_share=True)
        if await self._session.scalar(image) is None:
            return False
        self._session.add(upload)
        await self._session.flush()
        return True

    async def find(self, upload_id: uuid.UUID) -> Upload | None:
        """Return the upload in any state."""
        return await self._session.get(Upload, upload_id)

    async def list_open(self, user_id: uuid.UUID, limit: int) -> Sequence[Upload]:
        """Return the uploads in progress of an account, oldest first."""
        statement = select(Upload).where(Upload.user_id == user_id, *_is_open()).order_by(Upload.created_at, Upload.id)
        return (await self._session.scalars(statement.limit(limit))).all()

    async def revoke_writer(self, upload_id: uuid.UUID) -> None:
        """Let no request write to an open upload."""
        statement = update(Upload).where(Upload.id == upload_id, *_is_open())
        await self._session.execute(statement.values(writer=None, handover_requested=False))

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


def image_source(upload_id: uuid.UUID, writer: uuid.UUID) -> ImageSource:
    """Return the upload as the source of an image. It is complete when the image exists, unless the writer changed."""
    return ImageSource(_IMAGE_SOURCE_ROW, _IMAGE_SOURCE_CHANGES, {"upload_id": upload_id, "writer": writer})


@cache
def _add_statement(*, is_anonymous: bool) -> Statement:
    columns, values = ", ".join(_COLUMNS), ", ".join(f":{name}" for name in _COLUMNS)
    owner = "client = :client" if is_anonymous else "user_id = :user_id"
    return _typed(
        _ADD.format(owner=owner, columns=columns, values=values),
        *_COLUMNS,
        whole_key=String(),
        refused_name=String(),
        reserved_bytes=BigInteger(),
    )


@cache
def _acquire_statement() -> Statement:
    statement = _ACQUIRE.format(columns=", ".join(_ALL_COLUMNS))
    return _typed(statement, "id", "user_id", "writer", whole_key=String(), whole_size=BigInteger())


def _typed(statement: str, *columns: str, **types: TypeEngine[Any]) -> Statement:
    """Return a statement whose parameters have the types of these columns, or the given ones."""
    typed = {name: Upload.__table__.c[name].type for name in columns} | types
    return Statement(text(statement).bindparams(*(bindparam(name, type_=kind) for name, kind in typed.items())))


def _is_open() -> tuple[Any, ...]:
    return Upload.state == UploadState.OPEN, Upload.expires_at > func.now()


async def _changed(session: AsyncSession, statement: Any) -> bool:
    result = await session.execute(statement, execution_options=_UNSYNCHRONIZED)
    assert isinstance(result, CursorResult)  # noqa: S101 - what an UPDATE returns
    return result.rowcount > 0
