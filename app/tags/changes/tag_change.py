"""A change of tags by an admin: rename, delete, merge, aliases, implications.

Each change is one transaction and processes the images in batches, so that no statement takes long. Searches, and
uploads with other tags, continue. Most images of a merged or deleted tag are retagged before, in transactions of their
own (`bulk_retag`). The rest takes minutes only if implications change that hundreds of thousands of images depend on.
Then a request for one of the tags, one of the images or another change fails as busy after two seconds. An advisory
lock admits one change at a time, so that no other changes the graph of implications.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NoReturn

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog, AuditMembers
from app.core.errors import DatabaseBusy, ValidationFailed
from app.core.resource_paths import tag_path
from app.models import AuditAction, TagEventSource, TagOperationKind
from app.tags.changes.bulk_retag import BATCH
from app.tags.changes.change_origin import BY_HAND, ChangeOrigin, set_origin
from app.tags.changes.link_plan import LinkPlan
from app.tags.changes.tag_change_repository import TagChangeRepository
from app.tags.changes.tag_operation_repository import TagOperationRepository
from app.tags.errors import TagExists, TagIsAlias, TagNotFound
from app.tags.image_tag_repository import ImageTagRepository
from app.tags.implication_graph import Implications
from app.tags.repository import TagRepository


class TagChange:
    """One change in one transaction, with its audit event."""

    def __init__(
        self, session: AsyncSession, implications: Implications, audit: AuditLog, origin: ChangeOrigin
    ) -> None:
        self._session, self._audit = session, audit
        self._repository = TagChangeRepository(session)
        self._operations = TagOperationRepository(session)
        self._tags = TagRepository(session)
        self._image_tags = ImageTagRepository(session, origin)
        self.implications = implications
        self._batch = origin.batch

    @classmethod
    async def begin(cls, session: AsyncSession, audit: AuditLog, origin: ChangeOrigin = BY_HAND) -> "TagChange":
        """Wait for the running change, if it is short. The next one begins when this transaction ends.

        Raises DatabaseBusy.
        """
        repository = TagChangeRepository(session)
        await repository.lock_changes()
        await set_origin(session, origin)
        return cls(session, Implications.of(await repository.list_implications()), audit, origin)

    async def begin_merge(self, name: str, into: str) -> ChangeOrigin:
        """Record a merge and return the origin of its events. Raises TagNotFound, TagIsAlias, ValidationFailed."""
        tag, target = await self._get_pair(name, into)
        operation = await self._operations.begin(TagOperationKind.MERGE, tag, name, target_id=target)
        return await self._use_origin(ChangeOrigin(TagEventSource.MERGE, operation))

    async def begin_removal(self, name: str) -> ChangeOrigin:
        """Record the deletion of a tag and return the origin of its events. Raises TagNotFound, TagIsAlias."""
        operation = await self._operations.begin(TagOperationKind.DELETE, await self._get_named(name), name)
        return await self._use_origin(ChangeOrigin(TagEventSource.BULK, operation))

    async def complete(self, origin: ChangeOrigin) -> None:
        """Mark the recorded operation as complete."""
        if origin.batch is not None:
            await self._operations.complete(origin.batch)

    async def rename(self, name: str, new_name: str, origin: ChangeOrigin | None = None) -> uuid.UUID | None:
        """Rename a tag; return the batch of its events. Raises TagNotFound, TagIsAlias, TagExists.

        Without an origin, the rename is recorded as an operation of its own.
        """
        tag = await self._get_named(name)
        await self._repository.lock_tags({tag})
        if origin is None:
            operation = await self._operations.begin(TagOperationKind.RENAME, tag, name, new_name=new_name)
            await self._operations.complete(operation)
            origin = ChangeOrigin(TagEventSource.RENAME, operation)
        await self._use_origin(origin)
        if origin.batch is not None:
            await self._operations.add_removed_alias(origin.batch, tag, new_name)
        await self._repository.rename(tag, new_name)
        await self._write(AuditAction.TAG_RENAME, name, {"name": name}, {"name": new_name})
        if name != new_name:
            append = partial(self._repository.append_rename_events, tag, name, new_name)
            await self._for_images_with(tag, append, recompute=False)
        return origin.batch

    async def remove(self, name: str) -> None:
        """Delete a tag with its aliases, and remove it from all images. Raises TagNotFound, TagIsAlias."""
        tag, before = await self._get_named(name), await self._tags.get(name)
        await self._repository.lock_tags({tag} | self.implications.ancestors(tag))
        await self._record_removed_links(tag)
        await self._repository.remove_implications(tag)
        await self._for_images_with(tag, partial(self._image_tags.replace_tag, tag, None))
        await self._repository.remove(tag)
        await self._write(AuditAction.TAG_DELETE, name, {"aliases": before.aliases, "implies": before.implies}, None)

    async def inherit_implications(self, name: str, other: str) -> None:
        """Add the implications of another tag, unless they close a cycle. Raises TagNotFound, TagIsAlias."""
        tag, implied = await self._get(name), self.implications.implied_by(await self._get_named(other))
        await self._repository.lock_tags({tag} | self.implications.ancestors(tag))
        linked = [await self._link_unless_cycle(tag, one) for one in sorted(implied)]
        if any(linked):
            await self._for_images_with(tag)

    async def merge(self, name: str, into: str) -> int:
        """Replace a tag by another on all images; its name becomes an alias. Raises TagNotFound, TagIsAlias."""
        tag, target = await self._get_pair(name, into)
        ancestors = self.implications.ancestors(tag) | self.implications.ancestors(target)
        await self._repository.lock_tags({tag, target} | ancestors)
        await self._record_removed_links(tag)
        inherited = await self._move_edges(tag, target)
        await self._for_images_with(tag, partial(self._image_tags.replace_tag, tag, target))
        if inherited:
            await self._for_images_with(target)
        await self._repository.inherit_listing(target, [tag])
        await self._repository.make_alias(tag, target)
        await self._write(AuditAction.TAG_MERGE, name, {"alias_of": None}, {"alias_of": into})
        return target

    async def set_aliases(self, name: str, aliases: Sequence[str]) -> int:
        """Replace the aliases of a tag.

        Raises TagNotFound, TagIsAlias, TagExists if a name is a tag in use.
        """
        tag, before = await self._get_named(name), await self._tags.get(name)
        found = await self._repository.list_by_name(aliases)
        if tag in {row.id for row in found}:
            raise ValidationFailed.at(["body", "aliases"], "A tag cannot be an alias of itself.")
        await self._repository.lock_tags({tag, *(row.id for row in found)})
        for row in found:
            if row.alias_of != tag and (row.alias_of is not None or await self._repository.is_used(row.id)):
                raise TagExists(f"{row.name} is a tag, or an alias of another tag")
        await self._repository.inherit_listing(tag, [row.id for row in found])
        await self._repository.replace_aliases(tag, aliases)
        wanted = sorted(set(aliases))
        await self._write(AuditAction.TAG_SET_ALIASES, name, {"aliases": before.aliases}, {"aliases": wanted})
        return tag

    async def set_implications(self, name: str, implied: Sequence[str]) -> int:
        """Replace the implied tags, which exist. Raises TagNotFound, TagIsAlias, ValidationFailed for a cycle."""
        tag, locked_tags = await self._get_named(name), await self._image_tags.lock_tags(implied)
        if locked_tags is None:
            raise DatabaseBusy
        before, wanted = await self._tags.get(name), set(locked_tags.explicit)
        await self._repository.lock_tags({tag} | self.implications.ancestors(tag))
        current = self.implications.implied_by(tag)
        for one in current - wanted:
            await self._unlink(tag, one)
        for one in sorted(wanted - current):
            if self.implications.would_close_cycle(tag, one):
                self._refuse_cycle()
            await self._link(tag, one)
        if current != wanted:
            await self._for_images_with(tag)
            after = await self._tags.get(name)
            members = {"implies": before.implies}, {"implies": after.implies}
            await self._write(AuditAction.TAG_SET_IMPLICATIONS, name, *members)
        return tag

    async def restore_links(self, plan: LinkPlan, tag: int) -> None:
        """Invert the changes of aliases and implications that a revert has planned for the tag."""
        edges = plan.added | plan.removed
        ancestors = {one for edge in edges for one in self.implications.ancestors(edge[0])}
        await self._repository.lock_tags({tag, *plan.aliases, *(edge[0] for edge in edges), *ancestors})
        for alias, name in plan.aliases.items():
            await self._repository.restore_alias(alias, name, tag)
        for edge in sorted(plan.removed):
            await self._unlink(*edge)
        for edge in sorted(plan.added):
            await self._link(*edge)
        for changed in sorted({edge[0] for edge in edges}):
            await self._for_images_with(changed)

    async def _move_edges(self, tag: int, target: int) -> bool:
        """Move edges to the target, unless they close a cycle. Returns whether the target implies more tags."""
        implied, implying = self.implications.implied_by(tag), self.implications.implying(tag)
        for one in implied:
            await self._unlink(tag, one)
        for one in implying:
            await self._unlink(one, tag)
        new = [(target, one) for one in implied] + [(one, target) for one in implying]
        linked = [edge for edge in new if await self._link_unless_cycle(*edge)]
        return any(edge[0] == target for edge in linked)

    async def _link_unless_cycle(self, tag: int, implies: int) -> bool:
        if self.implications.would_close_cycle(tag, implies) or implies in self.implications.implied_by(tag):
            return False
        await self._link(tag, implies)
        if self._batch is not None:
            await self._operations.add_implication(self._batch, tag, implies)
        return True

    async def _record_removed_links(self, tag: int) -> None:
        if self._batch is not None:
            await self._operations.add_removed_links(self._batch, tag)

    async def _link(self, tag: int, implies: int) -> None:
        self.implications.add(tag, implies)
        await self._repository.add_implication(tag, implies)

    async def _unlink(self, tag: int, implies: int) -> None:
        self.implications.remove(tag, implies)
        await self._repository.remove_implication(tag, implies)

    async def _for_images_with(
        self, tag: int, change: Callable[[list[uuid.UUID]], Awaitable[None]] | None = None, *, recompute: bool = True
    ) -> None:
        """Change the images with a tag in batches, and recompute their implied tags."""
        after = uuid.UUID(int=0)
        while True:
            images = await self._image_tags.list_image_ids(tag, after, BATCH)
            if not images:
                return
            after = images[-1]
            locked = await self._image_tags.lock_images(images)
            if change:
                await change(locked)
            if recompute:
                await self._image_tags.recompute_implied(locked)

    async def _use_origin(self, origin: ChangeOrigin) -> ChangeOrigin:
        self._image_tags, self._batch = ImageTagRepository(self._session, origin), origin.batch
        await self._image_tags.set_origin()
        return origin

    async def _get_pair(self, name: str, into: str) -> tuple[int, int]:
        """Return a tag and the other tag that it is merged into. Raises TagNotFound, TagIsAlias, ValidationFailed."""
        tag, target = await self._get_named(name), await self._get(into)
        if tag == target:
            raise ValidationFailed.at(["body", "into"], "A tag cannot be merged into itself.")
        return tag, target

    async def _write(
        self, action: AuditAction, name: str, before: AuditMembers | None, after: AuditMembers | None
    ) -> None:
        await self._audit.write(self._session, action, tag_path(name), before=before, after=after)

    async def _get_named(self, name: str) -> int:
        """Return the tag of this name. Raises TagIsAlias: a change is not made through an alias."""
        found = await self._tags.find(name)
        if found is None:
            raise TagNotFound
        if found.name != name:
            raise TagIsAlias(f"{name} is an alias of {found.name}", alias_of=found.name)
        return found.id

    async def _get(self, name: str) -> int:
        tag = await self._tags.find_id(name)
        if tag is None:
            raise TagNotFound
        return tag

    @staticmethod
    def _refuse_cycle() -> NoReturn:
        raise ValidationFailed.at(["body", "implies"], "The implications would form a cycle.")
