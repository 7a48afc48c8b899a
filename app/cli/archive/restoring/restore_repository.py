"""The SQL of a restore: inserts rows as they were, and never changes one that exists."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import DateTime, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.archive.archive_format import (
    OPERATION_COLUMNS,
    OPERATION_REFERENCES,
    ArchivedAccount,
    ArchivedEvent,
    ArchivedName,
    ArchivedOperation,
    ArchivedTag,
    ArchivedTagReference,
    ArchivedTrashing,
)
from app.core.text.email_addresses import email_key
from app.images.new_images import NewImage
from app.models import (
    Image,
    PrivateTag,
    Tag,
    TagEvent,
    Tagged,
    TagImplication,
    TagOperation,
    TrashedImage,
    TrashedTag,
    User,
)
from app.models.tag import NO_OWNER

_IMAGE = Image.__table__
# As for an upload: the key is locked first, so that the sweeper cannot take the object away meanwhile.
_ADD_IMAGE = text("""
    WITH listed AS (SELECT storage_key FROM orphaned_objects WHERE storage_key = :storage_key FOR UPDATE),
    made AS (
        INSERT INTO images (
            id, name, storage_key, uploaded_by, content_type, size, width, height, taken_at, taken_at_offset, camera,
            sha256, visibility, tag_ids, created_at
        )
        SELECT :id, :name, :storage_key, :uploaded_by, :content_type, :size, :width, :height, :taken_at,
            :taken_at_offset, :camera, :sha256, :visibility, :tag_ids, :created_at
        FROM listed ON CONFLICT DO NOTHING RETURNING storage_key
    ), released AS (DELETE FROM orphaned_objects d USING made WHERE d.storage_key = made.storage_key)
    SELECT EXISTS (SELECT FROM made)""").bindparams(
    *(bindparam(name, type_=_IMAGE.c[name].type) for name in NewImage._fields),
    bindparam("created_at", type_=DateTime(timezone=True)),
)


# The same for an image in the trash, whose name can be in use.
_TRASH_IMAGE = text("""
    WITH listed AS (SELECT storage_key FROM orphaned_objects WHERE storage_key = :storage_key FOR UPDATE),
    made AS (
        INSERT INTO trashed_images (
            id, name, storage_key, uploaded_by, content_type, size, width, height, taken_at, taken_at_offset, camera,
            sha256, visibility, created_at, trashed_at, trashed_by, batch
        )
        SELECT :id, :name, :storage_key, :uploaded_by, :content_type, :size, :width, :height, :taken_at,
            :taken_at_offset, :camera, :sha256, :visibility, :created_at, :trashed_at, :trashed_by, :batch
        FROM listed ON CONFLICT DO NOTHING RETURNING storage_key
    ), released AS (DELETE FROM orphaned_objects d USING made WHERE d.storage_key = made.storage_key)
    SELECT EXISTS (SELECT FROM made)""").bindparams(
    *(bindparam(column.name, type_=column.type) for column in TrashedImage.__table__.columns)
)


# Blocks new events for a moment, so that no id is issued meanwhile.
_LOCK_EVENTS = text("LOCK TABLE tag_events IN SHARE ROW EXCLUSIVE MODE")
_RESERVE_EVENT_IDS = text(
    "SELECT setval('tag_events_id_seq', greatest((SELECT last_value FROM tag_events_id_seq), :last))"
)
_RECORD_HISTORY = text("SELECT set_config('imts.tag_history', :mode, true)")
# The id of a tag that is an alias of none in the archive and missing in the service.
_MISSING_TAG = 0
# A statement can have 32,767 parameters.
_EVENTS = 1000


class KnownAccount(NamedTuple):
    """An account of the service."""

    id: uuid.UUID
    email: str


class NewTagOfImage(NamedTuple):
    """A tag that an image had."""

    tag: int
    is_explicit: bool
    created_at: datetime


class RestoreRepository:
    """Inserts what an archive has."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_account(self, account: ArchivedAccount) -> bool:
        """Insert an account without a password. Returns False if its id or its address is in use."""
        values = {**account.model_dump(), "email_key": email_key(account.email)}
        statement = insert(User).values(values).on_conflict_do_nothing().returning(User.id)
        return await self._session.scalar(statement) is not None

    async def find_account(self, account: ArchivedAccount) -> KnownAccount | None:
        """Return the account of this id, or else of this address."""
        is_known = (User.id == account.id) | (User.email_key == email_key(account.email))
        rows = (await self._session.execute(select(User.id, User.email).where(is_known))).all()
        known = {row.id: KnownAccount(*row) for row in rows}
        return known.get(account.id) or next(iter(known.values()), None)

    async def list_existing_accounts(self, accounts: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Return those of these accounts that exist."""
        return set(await self._session.scalars(select(User.id).where(User.id.in_(accounts))))

    async def add_tags(self, tags: Sequence[ArchivedTag]) -> dict[str, int]:
        """Insert tags in the order of their names; return the ids of those that no tag or alias was in the way of."""
        rows = [
            {"name": tag.name, "created_at": tag.created_at, "is_listed": tag.listed}
            for tag in sorted(tags, key=lambda tag: tag.name)
        ]
        statement = insert(Tag).values(rows).on_conflict_do_nothing().returning(Tag.name, Tag.id)
        return {row.name: row.id for row in await self._session.execute(statement)}

    async def add_private_owners(self, owners: Mapping[int, Iterable[uuid.UUID]]) -> None:
        """Hide tags from all but these accounts; accounts that do not exist count as deleted ones."""
        named = {owner for ids in owners.values() for owner in ids}
        existing = await self.list_existing_accounts(named) if named else set()
        rows = {(tag, owner if owner in existing else NO_OWNER) for tag, ids in owners.items() for owner in ids}
        if rows:
            values = [{"tag_id": tag, "owner_id": owner} for tag, owner in sorted(rows)]
            await self._session.execute(insert(PrivateTag).on_conflict_do_nothing(), values)

    async def add_alias(self, tag: int, alias: ArchivedName) -> int | None:
        """Insert an alias; return the id of the tag that has the name then, or None if it is a tag itself."""
        values = {"name": alias.name, "created_at": alias.created_at, "alias_of": tag}
        await self._session.execute(insert(Tag).values(values).on_conflict_do_nothing())
        return await self._session.scalar(select(Tag.alias_of).where(Tag.name == alias.name))

    async def set_implication_times(self, tag: int, times: Mapping[int, datetime]) -> None:
        """Set the time of new implications, by the id of the implied tag."""
        for implied, created_at in times.items():
            edge = (TagImplication.tag_id == tag, TagImplication.implied_tag_id == implied)
            await self._session.execute(update(TagImplication).where(*edge).values(created_at=created_at))

    async def list_explicit_tags(self, image: uuid.UUID, *, is_trashed: bool) -> set[int]:
        """Return the ids of the explicit tags of an image."""
        table = TrashedTag if is_trashed else Tagged
        return set(await self._session.scalars(select(table.tag).where(table.image == image, table.is_explicit)))

    async def add_image(self, image: NewImage, created_at: datetime) -> bool:
        """Insert an image and remove its key from the orphan list.

        Returns False, and does neither, if the id or the name is in use, or if the key is not on the list.
        """
        return bool(await self._session.scalar(_ADD_IMAGE, {**image._asdict(), "created_at": created_at}))

    async def add_trashed_image(self, image: NewImage, created_at: datetime, trashing: ArchivedTrashing) -> bool:
        """Insert an image into the trash as `add_image` does into the images."""
        columns = {name: value for name, value in image._asdict().items() if name != "tag_ids"}
        values = {**columns, "created_at": created_at, **trashing.model_dump()}
        return bool(await self._session.scalar(_TRASH_IMAGE, values))

    async def add_tags_of_image(self, image: uuid.UUID, tags: Sequence[NewTagOfImage], *, is_trashed: bool) -> None:
        """Insert the tags of a new image."""
        if tags:
            rows = [{"image": image, **tag._asdict()} for tag in tags]
            await self._session.execute(insert(TrashedTag if is_trashed else Tagged).values(rows))

    async def reserve_event_ids(self, last: int) -> None:
        """Have new events get greater ids than this one."""
        await self._session.execute(_LOCK_EVENTS)
        await self._session.execute(_RESERVE_EVENT_IDS, {"last": last})

    async def record_history(self, *, is_on: bool) -> None:
        """Have the changes of the transaction write events, or not."""
        await self._session.execute(_RECORD_HISTORY, {"mode": "on" if is_on else "off"})

    async def add_events(self, image: uuid.UUID, events: Sequence[ArchivedEvent], last: int) -> None:
        """Insert the tag history of a new image. An id that is in use, or greater than `last`, is replaced."""
        for start in range(0, len(events), _EVENTS):
            await self._add_events(image, events[start : start + _EVENTS], last)

    async def _add_events(self, image: uuid.UUID, events: Sequence[ArchivedEvent], last: int) -> None:
        used = set(await self._session.scalars(select(TagEvent.id).where(TagEvent.id.in_([one.id for one in events]))))
        ids = await self._list_exact_ids({one.current for one in events if one.current is not None})
        rows = [
            {
                **one.model_dump(exclude={"current", "deleted"}),
                "image": image,
                "tag_id": _tag_id(one, ids) or _MISSING_TAG,
            }
            for one in events
        ]
        kept = [row for row in rows if row["id"] <= last and row["id"] not in used]
        replaced = [
            {name: value for name, value in row.items() if name != "id"}
            for row in rows
            if row["id"] > last or row["id"] in used
        ]
        for group in (kept, replaced):
            if group:
                await self._session.execute(insert(TagEvent).values(group).on_conflict_do_nothing())

    async def list_existing_operations(self, operations: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Return those of these merges, renames and deletions of tags that exist."""
        return set(await self._session.scalars(select(TagOperation.id).where(TagOperation.id.in_(operations))))

    async def list_missing_tags(self, operations: Iterable[ArchivedOperation]) -> dict[uuid.UUID, set[str]]:
        """Return the names of each operation that neither a tag nor an alias has."""
        names = {one.id: {tag.current for tag in _references(one).values() if tag.current} for one in operations}
        known = await self._list_exact_ids(set().union(*names.values()))
        return {operation: wanted - known.keys() for operation, wanted in names.items()}

    async def add_operations(self, operations: Sequence[ArchivedOperation]) -> None:
        """Insert merges, renames and deletions of tags, which exist."""
        names = {tag.current for one in operations for tag in _references(one).values() if tag.current}
        ids = await self._list_exact_ids(names)
        rows = [
            {
                **dict.fromkeys(OPERATION_REFERENCES),
                **one.model_dump(include=set(OPERATION_COLUMNS)),
                **{column: _tag_id(tag, ids) for column, tag in _references(one).items()},
            }
            for one in operations
        ]
        if rows:
            await self._session.execute(insert(TagOperation).values(rows).on_conflict_do_nothing())

    async def _list_exact_ids(self, names: Collection[str]) -> dict[str, int]:
        """Return the ids of tags and aliases: not the target of an alias, whose history includes that of the alias."""
        return dict((await self._session.execute(select(Tag.name, Tag.id).where(Tag.name.in_(names)))).all())


def _references(operation: ArchivedOperation) -> dict[str, ArchivedTagReference]:
    """Return the tags of an operation, by column."""
    tags = {column: getattr(operation, member) for column, member in OPERATION_REFERENCES.items()}
    return {column: tag for column, tag in tags.items() if tag is not None}


def _tag_id(reference: ArchivedEvent | ArchivedTagReference, ids: Mapping[str, int]) -> int | None:
    """Return the id of a tag in the service.

    A deleted tag gets a negative id, which the service never assigns: so it stays one tag for all its events, and does
    not become one of the service.
    """
    return ids.get(reference.current) if reference.current is not None else -(reference.deleted or 0)
