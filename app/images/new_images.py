"""SQL of new images and of their names."""

import random
import uuid
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, String, bindparam, text

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.db.asyncpg_queries import Statement, StatementRunner
from app.db.cache_invalidation import LISTS, invalidates_only
from app.db.sql_text import Condition, NamedParameters
from app.images.upload.filenames import numbered_name
from app.media.image_properties import PerceptualHash
from app.models import Image
from app.models.image import Visibility
from app.similarity.repository import HASH_PARAMETERS, INSERT_HASH, hash_values

MAX_DUPLICATES = 20
MAX_NUMBER = 1000
_MULTICAST_BIT = 1 << 40

_NAMED = Statement(text("SELECT id, uploaded_by, visibility FROM images WHERE name = :name"))
# A subquery for each candidate: a join would let the planner read the whole table.
_FREE_NAME = Statement(
    text("""
    SELECT name FROM unnest(:names) WITH ORDINALITY AS candidate (name, number)
    WHERE (SELECT id FROM images WHERE images.name = candidate.name) IS NULL ORDER BY number LIMIT 1
""").bindparams(bindparam("names", type_=ARRAY(String)))
)
# All of it as of its start, so that the duplicates are others. The key is locked before anything is inserted: either
# everything happens or nothing, also where this statement is all of its transaction.
_ADD = """
    WITH listed AS (SELECT storage_key FROM orphaned_objects WHERE storage_key = :storage_key FOR UPDATE),
    source AS ({source}),
    made AS (
        INSERT INTO images ({columns}) SELECT {values} FROM listed, source
        ON CONFLICT (name) DO NOTHING RETURNING id, storage_key, created_at
    ), hashed AS ({insert_hash}),
    released AS (DELETE FROM orphaned_objects d USING made WHERE d.storage_key = made.storage_key){changes}
    SELECT EXISTS (SELECT FROM listed), EXISTS (SELECT FROM source), (SELECT created_at FROM made),
        ARRAY(SELECT id FROM images WHERE sha256 = :sha256 AND {visible} ORDER BY sha256, id LIMIT {most})"""


class NewImage(NamedTuple):
    """The columns of an image that is to be inserted."""

    id: uuid.UUID
    name: str
    storage_key: str
    uploaded_by: uuid.UUID | None
    content_type: str
    size: int
    width: int
    height: int
    taken_at: datetime | None
    taken_at_offset: int | None
    camera: str | None
    sha256: bytes
    visibility: Visibility
    tag_ids: list[int]


class ImageSource(NamedTuple):
    """The row that an image is made of, which the same statement locks and changes.

    `row` is a query of at most one row; without the row, no image is inserted. `changes` are further common table
    expressions, which may use `source` and the inserted image, `made`.
    """

    row: str
    changes: str
    values: dict[str, Any]


# The source of an image that belongs to no other row.
NO_SOURCE = ImageSource("SELECT 1", "", {})


class InsertResult(NamedTuple):
    """The result of inserting an image.

    `key_reserved`: its key was on the orphan list, so its object exists. `created_at` is None if its name
    is taken. `duplicates` are the ids of images with the same bytes.
    """

    key_reserved: bool
    source_exists: bool
    created_at: datetime | None
    duplicates: list[uuid.UUID]


class NameOwner(NamedTuple):
    """The image that has a name, and what decides who may see it."""

    id: uuid.UUID
    uploaded_by: uuid.UUID | None
    visibility: Visibility


def new_image_id() -> uuid.UUID:
    """Return a uuid1 with a random node (RFC 9562, 6.10), which discloses no MAC address."""
    return uuid.uuid1(node=random.getrandbits(48) | _MULTICAST_BIT, clock_seq=random.getrandbits(14))


class NewImageRepository:
    """Inserts images, in a session or without one, and finds free names for them."""

    def __init__(self, statements: StatementRunner) -> None:
        self._statements = statements

    async def add(
        self, new: NewImage, perceptual_hash: PerceptualHash, principal: Principal, source: ImageSource = NO_SOURCE
    ) -> InsertResult:
        """Insert an image and its hash, and remove its key from the orphan list: all, or nothing.

        A single statement, because an upload mostly waits for round trips. It returns up to MAX_DUPLICATES duplicates
        that `principal` may see, in the order of their index: the same bytes may be stored a hundred thousand times.
        """
        values = NamedParameters()
        statement = _insert_statement(visibility_scope(principal).sql(values), source.row, source.changes)
        with invalidates_only(self._statements, LISTS):
            row = await self._statements.fetch_one(
                statement, {**new._asdict(), **hash_values(perceptual_hash), **values.by_name, **source.values}
            )
        assert row is not None  # noqa: S101 - the statement has no FROM
        return InsertResult(*row)

    async def find_by_name(self, name: str) -> NameOwner | None:
        """Return the image of this name, regardless of its visibility."""
        row = await self._statements.fetch_one(_NAMED, {"name": name})
        return None if row is None else NameOwner(*row)

    async def choose_free_name(self, name: str) -> str:
        """Return this name with the lowest free number from 2 to MAX_NUMBER, or else with a random higher one.

        Another upload may take it at any time: the unique constraint decides.
        """
        names = [numbered_name(name, number) for number in range(2, MAX_NUMBER + 1)]
        free = await self._statements.fetch_one(_FREE_NAME, {"names": names})
        return free[0] if free else numbered_name(name, random.randint(MAX_NUMBER + 1, 10**9))  # noqa: S311 - no secret


@cache
def _insert_statement(visible: Condition, source: str, changes: str) -> Statement:
    """Return the statement that inserts an image; `visible` restricts the duplicates that it returns."""
    columns = NewImage._fields
    values = ", ".join(f":{name}" for name in columns)
    statement = _ADD.format(
        columns=", ".join(columns),
        values=values,
        source=source,
        insert_hash=INSERT_HASH.format(source="made"),
        changes=changes,
        visible=visible,
        most=MAX_DUPLICATES,
    )
    table = Image.__table__
    typed = [bindparam(name, type_=table.c[name].type) for name in columns]
    return Statement(text(statement).bindparams(*typed, *HASH_PARAMETERS))
