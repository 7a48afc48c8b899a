"""The SQL of the merges, renames and deletions of tags that the history records."""

import uuid

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.callers import current_caller
from app.models import TagOperation, TagOperationKind


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
