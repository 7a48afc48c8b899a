"""The SQL of an export. All calls run in one session, and so on one snapshot of the database."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.cli.archive.archive_format import (
    OPERATION_COLUMNS,
    OPERATION_REFERENCES,
    ArchivedEvent,
    ArchivedOperation,
    ArchivedTagReference,
    ContentType,
)
from app.db.asyncpg_queries import fetch
from app.db.keyset import Position
from app.db.sql_text import BindParameters
from app.models import (
    Image,
    PrivateTag,
    Tag,
    TagEvent,
    TagEventSource,
    Tagged,
    TagImplication,
    TagOperation,
    TagOperationKind,
    TrashedImage,
    TrashedTag,
    User,
)
from app.search.planning.predicates import QueryPredicates

_EVENT_COLUMNS = ("id", "at", "actor", "request_id", "tag", "change", "was_explicit", "is_explicit", "batch")


class TagOfImage(NamedTuple):
    """A tag of an image."""

    id: int
    name: str
    is_explicit: bool
    created_at: datetime


class NameOfTag(NamedTuple):
    """An alias of a tag, or a tag that it implies."""

    name: str
    created_at: datetime


class ImageRow(NamedTuple):
    """The columns of an image."""

    id: uuid.UUID
    name: str
    storage_key: str
    content_type: ContentType
    size: int
    width: int
    height: int
    taken_at: datetime | None
    taken_at_offset: int | None
    camera: str | None
    sha256: bytes
    visibility: str
    uploaded_by: uuid.UUID | None
    created_at: datetime


_COLUMNS = ", ".join(ImageRow._fields)


class TrashedRow(NamedTuple):
    """An image in the trash."""

    row: ImageRow
    trashed_at: datetime
    trashed_by: uuid.UUID | None
    batch: uuid.UUID | None


class ExportRepository:
    """Reads everything in pages of bounded cost."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def now(self) -> datetime:
        """Return the time of the database."""
        return (await self._session.execute(select(func.now()))).scalar_one()

    async def find_end(self, after: Position | None, limit: int) -> Position | None:
        """Return the position of the last of the next `limit` images; None if fewer are left."""
        statement = select(Image.created_at, Image.id).order_by(Image.created_at, Image.id).offset(limit - 1).limit(1)
        if after is not None:
            statement = statement.where(tuple_(Image.created_at, Image.id) > tuple_(*after))
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else (row.created_at, row.id)

    async def list_images(
        self, after: Position | None, end: Position | None, predicates: QueryPredicates
    ) -> list[ImageRow]:
        """Return the images between two positions that match a query, by time of upload.

        The positions bound the cost of a query that few images match.
        """
        values = BindParameters()
        bounds = [
            f"(created_at, id) {sign} ({values.bind(position[0])}, {values.bind(position[1])})"
            for sign, position in ((">", after), ("<=", end))
            if position is not None
        ]
        condition = " AND ".join([*bounds, predicates.visible_condition(values)])
        statement = f"SELECT {_COLUMNS} FROM images WHERE {condition} ORDER BY created_at, id"  # noqa: S608
        return [ImageRow(*row) for row in await fetch(self._session, statement, values.values)]

    async def list_tags_of(self, images: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[TagOfImage]]:
        """Return the tags of each of these images, by name."""
        return await self._list_tags(Tagged, images)

    async def list_trashed(self, after: Position | None, limit: int) -> list[TrashedRow]:
        """Return up to `limit` images in the trash after the position, by time of deletion."""
        statement = select(TrashedImage).order_by(TrashedImage.trashed_at, TrashedImage.id).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(TrashedImage.trashed_at, TrashedImage.id) > tuple_(*after))
        return [
            TrashedRow(
                ImageRow(*(getattr(image, name) for name in ImageRow._fields)),
                image.trashed_at,
                image.trashed_by,
                image.batch,
            )
            for image in await self._session.scalars(statement)
        ]

    async def list_trashed_tags_of(self, images: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[TagOfImage]]:
        """Return the tags of each of these images in the trash, by name."""
        return await self._list_tags(TrashedTag, images)

    async def find_last_event_id(self) -> int:
        """Return the greatest id of an event; 0 without any."""
        return await self._session.scalar(select(func.max(TagEvent.id))) or 0

    async def list_events_of(self, images: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[ArchivedEvent]]:
        """Return the tag history of each of these images, the oldest first."""
        # Columns, not entities: loading the entities took a third of the time of a snapshot.
        statement = (
            select(
                TagEvent.image,
                *(getattr(TagEvent, name) for name in _EVENT_COLUMNS),
                TagEvent.source,
                TagEvent.tag_id,
                Tag.name.label("current"),
            )
            .outerjoin(Tag, Tag.id == TagEvent.tag_id)
            .where(TagEvent.image.in_(images))
            .order_by(TagEvent.id)
        )
        events: dict[uuid.UUID, list[ArchivedEvent]] = {image: [] for image in images}
        for image, *values, source, tag_id, current in (await self._session.execute(statement)).all():
            columns = dict(zip(_EVENT_COLUMNS, values, strict=True))
            event = ArchivedEvent.model_construct(
                **columns, source=TagEventSource(source), current=current, deleted=_deleted(tag_id, current)
            )
            events[image].append(event)
        return events

    async def list_operations(self, after: Position | None, limit: int) -> list[ArchivedOperation]:
        """Return up to `limit` merges, renames and deletions of tags after the position, the oldest first."""
        tables = {column: aliased(Tag) for column in OPERATION_REFERENCES}
        statement = select(
            *(getattr(TagOperation, name) for name in (*OPERATION_COLUMNS, *OPERATION_REFERENCES)),
            *(table.name.label(f"{column}_name") for column, table in tables.items()),
        )
        for column, table in tables.items():
            statement = statement.outerjoin(table, table.id == _reference(column))
        if after is not None:
            statement = statement.where(tuple_(TagOperation.created_at, TagOperation.id) > tuple_(*after))
        statement = statement.order_by(TagOperation.created_at, TagOperation.id).limit(limit)
        return [_operation(row) for row in (await self._session.execute(statement)).mappings()]

    async def list_accounts(self, after: Position | None, limit: int) -> Sequence[User]:
        """Return up to `limit` accounts after the position, by time of sign-up."""
        statement = select(User).order_by(User.created_at, User.id).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(User.created_at, User.id) > tuple_(*after))
        return (await self._session.scalars(statement)).all()

    async def list_tags(self, after: str, limit: int) -> Sequence[Tag]:
        """Return up to `limit` tags with greater names, without aliases, by name."""
        statement = select(Tag).where(Tag.name > after, Tag.alias_of.is_(None)).order_by(Tag.name).limit(limit)
        return (await self._session.scalars(statement)).all()

    async def list_aliases(self, tags: Sequence[int]) -> dict[int, list[NameOfTag]]:
        """Return the aliases of each of these tags, by name."""
        statement = select(Tag.alias_of, Tag.name, Tag.created_at).where(Tag.alias_of.in_(tags)).order_by(Tag.name)
        aliases: dict[int, list[NameOfTag]] = defaultdict(list)
        for row in (await self._session.execute(statement)).all():
            aliases[row.alias_of].append(NameOfTag(row.name, row.created_at))
        return aliases

    async def list_implied(self, tags: Sequence[int]) -> dict[int, list[NameOfTag]]:
        """Return the tags that each of these tags implies directly, by name."""
        statement = (
            select(TagImplication.tag_id, Tag.name, TagImplication.created_at)
            .join(Tag, Tag.id == TagImplication.implied_tag_id)
            .where(TagImplication.tag_id.in_(tags))
            .order_by(Tag.name)
        )
        implied: dict[int, list[NameOfTag]] = defaultdict(list)
        for row in (await self._session.execute(statement)).all():
            implied[row.tag_id].append(NameOfTag(row.name, row.created_at))
        return implied

    async def list_private_owners(self, tags: Sequence[int]) -> dict[int, list[uuid.UUID]]:
        """Return the accounts that have, or had, a private image with each of these tags."""
        statement = select(PrivateTag.tag_id, PrivateTag.owner_id).where(PrivateTag.tag_id.in_(tags))
        owners: dict[int, list[uuid.UUID]] = defaultdict(list)
        for tag, owner in (await self._session.execute(statement.order_by(PrivateTag.owner_id))).all():
            owners[tag].append(owner)
        return owners

    async def _list_tags(
        self, model: type[Tagged | TrashedTag], images: Sequence[uuid.UUID]
    ) -> dict[uuid.UUID, list[TagOfImage]]:
        statement = (
            select(model.image, Tag.id, Tag.name, model.is_explicit, model.created_at)
            .join(Tag, Tag.id == model.tag)
            .where(model.image.in_(images))
            .order_by(Tag.name)
        )
        tags: dict[uuid.UUID, list[TagOfImage]] = defaultdict(list)
        for row in (await self._session.execute(statement)).all():
            tags[row.image].append(TagOfImage(row.id, row.name, row.is_explicit, row.created_at))
        return tags


def _reference(column: str) -> ColumnElement[int | None]:
    reference: ColumnElement[int | None] = getattr(TagOperation, column)
    return reference


def _deleted(tag_id: int, current: str | None) -> int | None:
    """Return the number of a deleted tag. Ids that an earlier restore assigned to deleted tags are negative."""
    return abs(tag_id) if current is None else None


def _operation(row: RowMapping) -> ArchivedOperation:
    members: dict[str, Any] = {name: row[name] for name in OPERATION_COLUMNS}
    for column, member in OPERATION_REFERENCES.items():
        members[member] = _tag_reference(row[column], row[f"{column}_name"])
    return ArchivedOperation.model_construct(**{**members, "kind": TagOperationKind(row["kind"])})


def _tag_reference(tag_id: int | None, current: str | None) -> ArchivedTagReference | None:
    if tag_id is None:
        return None
    return ArchivedTagReference.model_construct(current=current, deleted=_deleted(tag_id, current))
