"""SQL of the tag history: the pages of events, its partitions and its clean-up."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, Integer, Select, bindparam, func, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.authz.visibility import VisibilityScope
from app.models import Image, Tag, TagEvent

# Locked first: no event of the month may enter the default partition between its emptying and the attachment.
_LOCK_DEFAULT = text("LOCK TABLE tag_events_default IN ACCESS EXCLUSIVE MODE")
_CREATE_PARTITION = "CREATE TABLE {name} (LIKE tag_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
_MOVE_DEFAULT_ROWS = """
    WITH moved AS (DELETE FROM tag_events_default WHERE at >= '{start}' AND at < '{end}' RETURNING *)
    INSERT INTO {name} SELECT * FROM moved"""
_ATTACH_PARTITION = "ALTER TABLE tag_events ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"
_EXISTS = "EXISTS (SELECT FROM images i WHERE i.id = o.image)"
_IS_TRASHED = "EXISTS (SELECT FROM trashed_images i WHERE i.id = o.image)"
_REMOVE_ORPHANED = text(f"""
    WITH orphaned AS (
        SELECT o.image FROM orphaned_tag_histories o WHERE NOT {_EXISTS} AND NOT {_IS_TRASHED}
        ORDER BY o.image LIMIT :limit FOR UPDATE SKIP LOCKED
    ), removed AS (
        DELETE FROM tag_events e USING orphaned o WHERE e.image = o.image
    ), settled AS (
        DELETE FROM orphaned_tag_histories o USING orphaned WHERE o.image = orphaned.image
    )
    SELECT count(*) FROM orphaned""")  # noqa: S608 - of constants, as below
_KEEP_RESTORED = text(f"DELETE FROM orphaned_tag_histories o WHERE {_EXISTS}")  # noqa: S608


class EventFilter(NamedTuple):
    """The events of an account, of a period (from `since`, before `until`) or of a batch; None means all."""

    actor: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    batch: uuid.UUID | None = None


class HistoryRepository:
    """Reads the events, newest first. They are written by triggers."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_of_image(self, image: uuid.UUID, before: int | None, limit: int) -> Sequence[TagEvent]:
        """Return up to `limit` events of an image before the event with this id."""
        return await self._list(select(TagEvent).where(TagEvent.image == image), before, limit)

    async def list_of_tag(self, tag: int, scope: VisibilityScope, before: int | None, limit: int) -> Sequence[TagEvent]:
        """Return up to `limit` events of a tag, and of those merged into it, on visible images."""
        merged = select(Tag.id).where(Tag.alias_of == tag)
        tags = [tag, *await self._session.scalars(merged)]
        # A sort over all events of several tags would read all of them: each tag gives its newest ones.
        ids = func.unnest(bindparam("tags", tags, type_=ARRAY(Integer))).table_valued("tag").render_derived("ids")
        visible = select(TagEvent).join(Image, Image.id == TagEvent.image).where(scope.condition())
        newest = aliased(TagEvent, _newest_first(visible.where(TagEvent.tag_id == ids.c.tag), before, limit).lateral())
        statement = select(newest).select_from(ids).join(newest, true()).order_by(newest.id.desc()).limit(limit)
        return (await self._session.scalars(statement)).all()

    async def list_filtered(self, wanted: EventFilter, before: int | None, limit: int) -> Sequence[TagEvent]:
        """Return up to `limit` events of all images that match the filter."""
        return await self._list(select(TagEvent).where(*_conditions(wanted)), before, limit)

    async def _list(self, statement: Select[Any], before: int | None, limit: int) -> Sequence[TagEvent]:
        return (await self._session.scalars(_newest_first(statement, before, limit))).all()


class HistoryMaintenanceRepository:
    """Creates the partitions of `tag_events`, and deletes the events of deleted images."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def has_table(self, name: str) -> bool:
        """Return whether the table exists."""
        return await self._session.scalar(select(func.to_regclass(name).is_not(None))) or False

    async def create_partition(self, name: str, start: datetime, end: datetime) -> None:
        """Create the partition of a period. It receives the events that the default partition has of the period."""
        names = {"name": name, "start": start.isoformat(), "end": end.isoformat()}
        await self._session.execute(_LOCK_DEFAULT)
        for statement in (_CREATE_PARTITION, _MOVE_DEFAULT_ROWS, _ATTACH_PARTITION):
            await self._session.execute(text(statement.format(**names)))

    async def remove_orphaned(self, limit: int) -> int:
        """Delete the events of up to `limit` images that do not exist; return the number of images."""
        await self._session.execute(_KEEP_RESTORED)
        return await self._session.scalar(_REMOVE_ORPHANED, {"limit": limit}) or 0


def _newest_first(statement: Select[Any], before: int | None, limit: int) -> Select[Any]:
    if before is not None:
        statement = statement.where(TagEvent.id < before)
    return statement.order_by(TagEvent.id.desc()).limit(limit)


def _conditions(wanted: EventFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.actor is not None:
        yield TagEvent.actor == wanted.actor
    if wanted.since is not None:
        yield TagEvent.at >= wanted.since
    if wanted.until is not None:
        yield TagEvent.at < wanted.until
    if wanted.batch is not None:
        yield TagEvent.batch == wanted.batch
