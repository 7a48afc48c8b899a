import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Image, Tag, Tagged
from app.models.image import Visibility


class CountedTag(NamedTuple):
    """A tag and the number of public images that have it."""

    tag: Tag
    images: int


# Counted from the rows themselves: exact, also while uploads run.
_IMAGES = (
    select(func.count())
    .select_from(Tagged)
    .join(Image, Image.id == Tagged.image)
    .where(Tagged.tag == Tag.id, Image.visibility == Visibility.PUBLIC)
    .scalar_subquery()
)


class TagRepository:
    """All SQL about tags and which image has which."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def ensure(self, names: Sequence[str]) -> dict[str, int]:
        """Make the tags that are missing; return the ids by name. Names are in order, so that no two calls deadlock."""
        if not names:
            return {}
        rows = [{"name": name} for name in sorted(names)]
        await self._session.execute(pg_insert(Tag).on_conflict_do_nothing(), rows)
        found = await self._session.execute(select(Tag.name, Tag.id).where(Tag.name.in_(names)))
        return dict(found.all())

    async def find_ids(self, names: Sequence[str]) -> dict[str, int]:
        """Return the ids of those tags that exist, by name."""
        if not names:
            return {}
        found = await self._session.execute(select(Tag.name, Tag.id).where(Tag.name.in_(names)))
        return dict(found.all())

    async def names_of(self, images: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
        """Return the sorted tag names of each of these images, in one statement."""
        statement = (
            select(Tagged.image, Tag.name)
            .join(Tag, Tag.id == Tagged.tag)
            .where(Tagged.image.in_(images))
            .order_by(Tag.name)
        )
        names: dict[uuid.UUID, list[str]] = {image: [] for image in images}
        for image, name in await self._session.execute(statement):
            names[image].append(name)
        return names

    async def add_to_image(self, image: uuid.UUID, tag_ids: Sequence[int]) -> None:
        """Tag an image; a tag that it has already is no error."""
        if tag_ids:
            rows = [{"image": image, "tag": tag_id} for tag_id in sorted(tag_ids)]
            await self._session.execute(pg_insert(Tagged).values(rows).on_conflict_do_nothing())

    async def replace_on_image(self, image: uuid.UUID, tag_ids: Sequence[int]) -> None:
        """Have an image tagged with exactly these."""
        await self._session.execute(delete(Tagged).where(Tagged.image == image, Tagged.tag.not_in(tag_ids)))
        await self.add_to_image(image, tag_ids)

    async def list_by_name(self, prefix: str, after: str | None, limit: int) -> list[CountedTag]:
        """Return up to `limit` tags from `after` on, by name."""
        conditions: list[ColumnElement[bool]] = [Tag.name.startswith(prefix, autoescape=True)]
        if after is not None:
            conditions.append(Tag.name > after)
        return await self._counted(and_(*conditions), [Tag.name.asc()], limit)

    async def list_by_count(self, prefix: str, after: tuple[int, str] | None, limit: int) -> list[CountedTag]:
        """Return up to `limit` tags after the position `(images, name)`, most used first."""
        conditions: list[ColumnElement[bool]] = [Tag.name.startswith(prefix, autoescape=True)]
        if after is not None:
            images, name = after
            conditions.append(or_(images > _IMAGES, and_(literal(images) == _IMAGES, Tag.name > name)))
        return await self._counted(and_(*conditions), [_IMAGES.desc(), Tag.name.asc()], limit)

    async def list_by_names(self, names: Sequence[str]) -> list[CountedTag]:
        """Return those of these tags that exist, by name."""
        return await self._counted(Tag.name.in_(names), [Tag.name.asc()], len(names))

    async def _counted(
        self, condition: ColumnElement[bool], order: Sequence[ColumnElement[Any]], limit: int
    ) -> list[CountedTag]:
        statement = select(Tag, _IMAGES).where(condition).order_by(*order).limit(limit)
        return [CountedTag(tag, images) for tag, images in await self._session.execute(statement)]
