"""The revert of a merge, a rename or a deletion of a tag: its name, its aliases and its implications.

A revert of the events moves the images. Parts that conflict with later changes stay as they are, and are returned. A
repeated revert returns the same parts and changes nothing.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog
from app.core.resource_paths import tag_path
from app.models import AuditAction, TagOperation, TagOperationKind
from app.tags.changes.change_origin import ChangeOrigin
from app.tags.changes.link_plan import LinkPlan, NamedTag, UnrestoredItem, UnrestoredReason, plan_links
from app.tags.changes.tag_change import TagChange
from app.tags.changes.tag_change_repository import TagChangeRepository
from app.tags.changes.tag_operation_repository import TagOperationRepository


class OperationRevert:
    """Reverts one operation in a transaction."""

    def __init__(self, session: AsyncSession, audit: AuditLog, operation: TagOperation, origin: ChangeOrigin) -> None:
        self._session, self._audit = session, audit
        self._operation, self._origin = operation, origin
        self._repository = TagChangeRepository(session)

    async def run(self) -> list[UnrestoredItem]:
        """Restore the tag with its aliases and implications; return the parts that stay as they are.

        Raises DatabaseBusy; TagExists if a name is taken at the same time.
        """
        change = await TagChange.begin(self._session, self._audit, self._origin)
        tag = await self._repository.find(self._operation.tag_id)
        if self._operation.kind == TagOperationKind.RENAME:
            return await self._restore_name(change, tag)
        is_restored = await self._restore_tag(tag)
        if tag is None and not is_restored:
            return [UnrestoredItem(self._operation.tag, UnrestoredReason.TAG_EXISTS)]
        plan = await self._restore_links(change, is_wanted=is_restored)
        if is_restored:
            after = {
                "reverted": self._operation.kind,
                "batch": str(self._origin.batch),
                "aliases": sorted(plan.aliases.values()),
            }
            path = tag_path(self._operation.tag)
            await self._audit.write(self._session, AuditAction.TAG_RESTORE, path, after=after)
        return plan.unrestored

    async def _restore_tag(self, tag: NamedTag | None) -> bool:
        """Create a deleted tag again, or make a merged one a tag of its own. Returns whether it did."""
        if tag is None:
            return await self._repository.restore(self._operation.tag_id, self._operation.tag)
        if self._operation.kind != TagOperationKind.MERGE or tag.alias_of is None:
            return False
        await self._repository.lock_tags({tag.id, tag.alias_of})
        await self._repository.separate(tag.id)
        return True

    async def _restore_name(self, change: TagChange, tag: NamedTag | None) -> list[UnrestoredItem]:
        old, new = self._operation.tag, self._operation.new_name
        if tag is None or tag.name == old:
            is_renamed = False
        elif tag.name != new or tag.alias_of is not None:
            return [UnrestoredItem(old, UnrestoredReason.TAG_RENAMED)]
        elif any(one.alias_of != tag.id for one in await self._repository.list_by_name([old])):
            return [UnrestoredItem(old, UnrestoredReason.TAG_EXISTS)]
        else:
            await change.rename(new, old, self._origin)
            is_renamed = True
        return [] if tag is None else (await self._restore_links(change, is_wanted=is_renamed)).unrestored

    async def _restore_links(self, change: TagChange, *, is_wanted: bool) -> LinkPlan:
        """Plan the links, and change them if it is wanted."""
        links = await TagOperationRepository(self._session).list_links(self._operation.id)
        tags = {
            *await self._repository.list_by_id({one for link in links for one in (link.tag_id, link.other_id)}),
            *await self._repository.list_by_name({link.tag for link in links}),
        }
        plan = plan_links(links, self._operation.tag_id, tags, change.implications)
        if is_wanted:
            await change.restore_links(plan, self._operation.tag_id)
        return plan
