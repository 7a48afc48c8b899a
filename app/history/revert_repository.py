"""The SQL of reverts."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.history.revert_plan import ExplicitChange, ImageTag
from app.models import Image, Tag, TagEvent, TagEventSource, Tagged, TagOperation
from app.tags.changes.tag_change_repository import TagChangeRepository

_IS_EXPLICIT, _WAS_EXPLICIT = TagEvent.is_explicit.is_(True), TagEvent.was_explicit.is_(True)
# A rename changes no row of `tagged`.
_CHANGES_EXPLICIT = and_(_IS_EXPLICIT != _WAS_EXPLICIT, TagEvent.source != TagEventSource.RENAME)


class EventSelection(NamedTuple):
    """The events to revert: of a batch, of an account in a period (before `until`), or of these ids."""

    batch: uuid.UUID | None = None
    actor: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: Sequence[int] | None = None

    def condition(self) -> ColumnElement[bool]:
        """Return the condition of the events."""
        if self.batch is not None:
            return TagEvent.batch == self.batch
        if self.ids is not None:
            return TagEvent.id.in_(self.ids)
        return and_(TagEvent.actor == self.actor, *self._period(TagEvent.at))

    def operation_condition(self) -> ColumnElement[bool]:
        """Return the condition of the merges, renames and deletions. Events named by their ids select none."""
        if self.batch is not None:
            return TagOperation.id == self.batch
        if self.ids is not None:
            return ~true()
        return and_(TagOperation.actor == self.actor, *self._period(TagOperation.created_at))

    def _period(self, at: Any) -> list[ColumnElement[bool]]:
        since = [] if self.since is None else [at >= self.since]
        return since if self.until is None else [*since, at < self.until]


class RevertRepository:
    """Selects events and locks the rows that their revert changes."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_images(self, selection: EventSelection, owner: uuid.UUID | None, limit: int) -> Sequence[uuid.UUID]:
        """Return up to `limit` sorted ids of the images with a selected event; with an owner, only its images."""
        statement = (
            select(TagEvent.image)
            .join(Image, Image.id == TagEvent.image)
            .where(selection.condition(), TagEvent.source != TagEventSource.IMPLIED, _owned_by(owner))
            .distinct()
        )
        return (await self._session.scalars(statement.order_by(TagEvent.image).limit(limit))).all()

    async def lock_images(self, images: Sequence[uuid.UUID], owner: uuid.UUID | None) -> list[uuid.UUID]:
        """Lock those of the images that still exist and belong to the owner until the commit; return their ids."""
        statement = select(Image.id).where(Image.id.in_(images), _owned_by(owner)).order_by(Image.id)
        return list(await self._session.scalars(statement.with_for_update(key_share=True)))

    async def list_changes(self, images: Sequence[uuid.UUID], selection: EventSelection) -> list[ExplicitChange]:
        """Return all changes of explicit tags of these images, oldest first."""
        statement = (
            select(
                TagEvent.id,
                TagEvent.image,
                TagEvent.tag_id,
                TagEvent.tag,
                _IS_EXPLICIT,
                TagEvent.source == TagEventSource.REVERT,
                func.coalesce(selection.condition(), False),
            )
            .where(TagEvent.image.in_(images), _CHANGES_EXPLICIT)
            .order_by(TagEvent.id)
        )
        return [ExplicitChange(*row) for row in await self._session.execute(statement)]

    async def restore_tags(self, pairs: Collection[ImageTag]) -> dict[int, int | None]:
        """Return the tag that each tag id of the pairs stands for today, locked until the commit.

        An alias stands for its tag. A deleted tag is created again under its id, unless its name has another tag. The
        value is None for a tag that is being changed.
        """
        names = {pair.tag_id: pair.tag for pair in pairs}
        changes = TagChangeRepository(self._session)
        for tag_id, name in sorted(names.items()):
            await changes.restore(tag_id, name)
        statement = select(Tag.id, Tag.name, Tag.alias_of).where(or_(Tag.id.in_(names), Tag.name.in_(names.values())))
        rows = (await self._session.execute(statement)).all()
        by_id, by_name = ({key(row): row.alias_of or row.id for row in rows} for key in (_id_of, _name_of))
        current = {tag_id: by_id.get(tag_id, by_name.get(name)) for tag_id, name in names.items()}
        lock = select(Tag.id).where(Tag.id.in_(current.values()), Tag.alias_of.is_(None)).order_by(Tag.id)
        locked = set(await self._session.scalars(lock.with_for_update(read=True, key_share=True, skip_locked=True)))
        return {tag_id: tag if tag in locked else None for tag_id, tag in current.items()}

    async def list_operations(self, selection: EventSelection) -> Sequence[TagOperation]:
        """Return the selected merges, renames and deletions of tags, newest first."""
        statement = select(TagOperation).where(selection.operation_condition())
        return (await self._session.scalars(statement.order_by(TagOperation.created_at.desc()))).all()

    async def count_changed(self, batch: uuid.UUID) -> int:
        """Return the number of images with an event of the batch."""
        statement = select(func.count(TagEvent.image.distinct())).where(TagEvent.batch == batch)
        return await self._session.scalar(statement) or 0

    async def list_changed(self, batch: uuid.UUID) -> set[uuid.UUID]:
        """Return the ids of the images with an event of the batch."""
        return set(await self._session.scalars(select(TagEvent.image).where(TagEvent.batch == batch).distinct()))

    async def count_explicit(self, images: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
        """Return the number of explicit tags of those of the images that have any."""
        statement = select(Tagged.image, func.count()).where(Tagged.image.in_(images), Tagged.is_explicit)
        rows = await self._session.execute(statement.group_by(Tagged.image))
        return {row[0]: row[1] for row in rows}

    async def list_events(self, ids: Collection[int]) -> Sequence[TagEvent]:
        """Return these events, newest first."""
        return (
            await self._session.scalars(select(TagEvent).where(TagEvent.id.in_(ids)).order_by(TagEvent.id.desc()))
        ).all()


def _owned_by(owner: uuid.UUID | None) -> ColumnElement[bool]:
    return true() if owner is None else Image.uploaded_by == owner


def _id_of(row: Any) -> int:
    return int(row.id)


def _name_of(row: Any) -> str:
    return str(row.name)
