"""The SQL of the merges, renames and deletions of tags that the history records."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.callers import current_caller
from app.models import TagOperation, TagOperationKind, TagOperationLink

_ADD_LINKS = """
    INSERT INTO tag_operation_links (operation, kind, is_added, tag_id, tag, other_id, other)
    SELECT o.id, l.kind, {is_added}, a.id, a.name, b.id, b.name
    FROM ({links}) AS l(kind, tag, other)
    JOIN tags a ON a.id = l.tag JOIN tags b ON b.id = l.other JOIN tag_operations o ON o.id = :operation
    ORDER BY l.kind, a.id, b.id"""
_ALIASES = "SELECT 'alias', id, alias_of FROM tags WHERE alias_of = :tag"
_IMPLICATIONS = """
    SELECT 'implication', tag_id, implied_tag_id FROM tag_implications WHERE tag_id = :tag OR implied_tag_id = :tag"""
_ADD_REMOVED = text(_ADD_LINKS.format(is_added="false", links=f"{_ALIASES} UNION ALL {_IMPLICATIONS}"))
_ADD_REMOVED_ALIAS = text(_ADD_LINKS.format(is_added="false", links=f"{_ALIASES} AND name = :name"))
_ADD_IMPLICATION = text(
    _ADD_LINKS.format(is_added="true", links="VALUES ('implication', CAST(:tag AS int), CAST(:implies AS int))")
)


class TagOperationRepository:
    """Records operations. Their ids are the batches of their events."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def begin(
        self,
        kind: TagOperationKind,
        tag_id: int,
        tag: str,
        *,
        target_id: int | None = None,
        new_name: str | None = None,
    ) -> uuid.UUID:
        """Record an operation, or continue the same one that was interrupted. Returns its id."""
        interrupted = select(TagOperation.id).where(
            TagOperation.tag_id == tag_id,
            TagOperation.is_complete.is_(False),
            TagOperation.kind == kind,
            TagOperation.target_id.is_not_distinct_from(target_id),
            TagOperation.new_name.is_not_distinct_from(new_name),
        )
        found = await self._session.scalar(interrupted.limit(1))
        if found is not None:
            return found
        caller = current_caller.get()
        operation = TagOperation(
            id=uuid.uuid4(),
            actor=caller.account if caller else None,
            kind=kind,
            tag_id=tag_id,
            tag=tag,
            target_id=target_id,
            new_name=new_name,
        )
        self._session.add(operation)
        await self._session.flush()
        return operation.id

    async def complete(self, operation: uuid.UUID) -> None:
        """Mark an operation as complete: a repetition is a new one."""
        await self._session.execute(update(TagOperation).where(TagOperation.id == operation).values(is_complete=True))

    async def add_removed_links(self, operation: uuid.UUID, tag: int) -> None:
        """Record the removal of all aliases and implications of a tag, before it happens."""
        await self._session.execute(_ADD_REMOVED, {"operation": operation, "tag": tag})

    async def add_removed_alias(self, operation: uuid.UUID, tag: int, name: str) -> None:
        """Record the removal of an alias of a tag, before it happens; without an alias of this name, do nothing."""
        await self._session.execute(_ADD_REMOVED_ALIAS, {"operation": operation, "tag": tag, "name": name})

    async def add_implication(self, operation: uuid.UUID, tag: int, implies: int) -> None:
        """Record an implication that the operation adds."""
        await self._session.execute(_ADD_IMPLICATION, {"operation": operation, "tag": tag, "implies": implies})

    async def list_links(self, operation: uuid.UUID) -> Sequence[TagOperationLink]:
        """Return the aliases and implications that an operation changed; those that it added first."""
        statement = select(TagOperationLink).where(TagOperationLink.operation == operation)
        order = (TagOperationLink.is_added.desc(), TagOperationLink.id)
        return (await self._session.scalars(statement.order_by(*order))).all()
