"""SQL of perceptual hashes: exact search within a Hamming distance, without a scan of the table."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Integer, SmallInteger, String, Uuid, bindparam, exists, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import Reader, fetch
from app.db.cache_invalidation import LISTS, invalidates_only
from app.db.sql_text import BindParameters, sql_and
from app.media.image_properties import HASH_VERSION, PIXEL_VERSION, PerceptualHash
from app.models import Image, ImageHash
from app.similarity.hash_chunks import bit_text, list_chunks, list_search_keys

# A camera that takes a picture each minute stores ten thousand near copies in a week. A search for the nearest of them
# need not read all.
MAX_MATCHES = 2_000
# `source` has the column `id`: the images to which the hash belongs.
INSERT_HASH = """
    INSERT INTO image_hashes (image_id, version, perceptual_hash, quality, chunks)
    SELECT id, :hash_version, CAST(:perceptual_hash AS bit(256)), :hash_quality, :hash_chunks FROM {source}"""
HASH_PARAMETERS = (
    bindparam("hash_version", type_=SmallInteger),
    bindparam("perceptual_hash", type_=String),
    bindparam("hash_quality", type_=SmallInteger),
    bindparam("hash_chunks", type_=ARRAY(Integer)),
)
_REPLACE_HASH = """
    {insert_hash} ON CONFLICT (image_id) DO UPDATE SET version = excluded.version,
        perceptual_hash = excluded.perceptual_hash, quality = excluded.quality, chunks = excluded.chunks
    WHERE (image_hashes.version, image_hashes.perceptual_hash, image_hashes.quality, image_hashes.chunks)
        IS DISTINCT FROM (excluded.version, excluded.perceptual_hash, excluded.quality, excluded.chunks)
    RETURNING image_id"""
_ADD_OR_UPDATE = text(
    _REPLACE_HASH.format(insert_hash=INSERT_HASH.format(source="(SELECT CAST(:id AS uuid) AS id) AS image"))
).bindparams(*HASH_PARAMETERS, bindparam("id", type_=Uuid))

# No null values to compare: PostgreSQL can use the index of the primary key for each image.
HASHES_ARE_OUTDATED = ~exists().where(
    ImageHash.image_id == Image.id, ImageHash.version == HASH_VERSION, ImageHash.pixel_version == PIXEL_VERSION
)


class SimilarityKind(StrEnum):
    """How two images are similar: the same file, the same decoded picture, or near hashes. The closest first."""

    BYTES = "bytes"
    PIXELS = "pixels"
    NEAR = "near"


_KINDS = tuple(SimilarityKind)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The digests and the perceptual hash of an image.

    The fields after `sha256` are None for an image without hashes. `perceptual_hash` is the text of a `bit(256)`.
    `chunks` is None for a flat picture, too. `pixel_sha256` is None until it is computed.
    """

    sha256: bytes
    version: int | None = None
    perceptual_hash: str | None = None
    chunks: Sequence[int] | None = None
    pixel_version: int | None = None
    pixel_sha256: bytes | None = None


class SimilarImage(NamedTuple):
    """A similar image. `distance` is the Hamming distance of the hashes in bits: 0 for the same file or picture."""

    id: uuid.UUID
    kind: SimilarityKind
    distance: int


def new_fingerprint(sha256: bytes, perceptual_hash: PerceptualHash) -> Fingerprint:
    """Return the fingerprint of a file that was just checked."""
    return Fingerprint(
        sha256, HASH_VERSION, bit_text(perceptual_hash.bits), list_chunks(perceptual_hash.bits, perceptual_hash.quality)
    )


def hash_values(perceptual_hash: PerceptualHash) -> dict[str, Any]:
    """Return the values of HASH_PARAMETERS."""
    return {
        "hash_version": HASH_VERSION,
        "perceptual_hash": bit_text(perceptual_hash.bits),
        "hash_quality": perceptual_hash.quality,
        "hash_chunks": list_chunks(perceptual_hash.bits, perceptual_hash.quality),
    }


class SimilarImageReader:
    """Searches perceptual hashes, in a search session or without one."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def find_visible_fingerprint(self, image_id: uuid.UUID, visibility: VisibilityScope) -> Fingerprint | None:
        """Return the fingerprint of an image; None without the image, or if it is not visible."""
        values = BindParameters()
        condition = sql_and([f"id = {values.bind(image_id)}", visibility.sql(values)])
        statement = f"""
            SELECT sha256, version, CAST(perceptual_hash AS text), chunks, pixel_version, pixel_sha256
            FROM images LEFT JOIN image_hashes ON image_id = id WHERE {condition}"""  # noqa: S608 - of constants and placeholders, as below
        rows = await fetch(self._reader, statement, values.values)
        return Fingerprint(*rows[0]) if rows else None

    async def list_similar(
        self,
        fingerprint: Fingerprint,
        visibility: VisibilityScope,
        max_distance: int,
        limit: int,
        *,
        except_for: uuid.UUID | None = None,
        max_matches: int | None = None,
    ) -> list[SimilarImage]:
        """Return the visible images within `max_distance` bits, nearest first. Flat pictures have no near ones.

        `max_distance` is at most MAX_DISTANCE. All that are within it are found. With `max_matches`, the search ends
        after this number. An image may count several times, and an invisible one counts, too.
        """
        values = BindParameters()
        is_shown = sql_and([f"id IS DISTINCT FROM {values.bind(except_for, 'uuid')}", visibility.sql(values)])
        most = values.bind(limit)
        # Bounded, because the same bytes may be stored a hundred thousand times.
        same_file = f"sha256 = {values.bind(fingerprint.sha256)} AND {is_shown} ORDER BY sha256, id LIMIT {most}"
        matches = [f"(SELECT id, 0 AS kind, 0 AS distance FROM images WHERE {same_file})"]  # noqa: S608
        if fingerprint.pixel_sha256 is not None:
            matches.append(
                "(SELECT id, 1, 0 FROM image_hashes JOIN images ON id = image_id "  # noqa: S608
                f"WHERE pixel_sha256 = {values.bind(fingerprint.pixel_sha256)} "
                f"AND pixel_version = {values.bind(fingerprint.pixel_version)} AND {is_shown} ORDER BY id LIMIT {most})"
            )
        if fingerprint.chunks is not None:
            bits = f"CAST({values.bind(fingerprint.perceptual_hash, 'text')} AS bit(256))"
            # One index scan for each chunk: one for each key takes 1.15 times as long, and one for all of them, twice.
            keys = list_search_keys(fingerprint.chunks, max_distance)
            size = len(keys) // len(fingerprint.chunks)
            end = "" if max_matches is None else f" LIMIT {max_matches:d}"
            matches.append(
                f"(SELECT image_id, 2, distance FROM generate_series(1, {len(keys)}, {size}) AS first, LATERAL ("  # noqa: S608
                f"SELECT image_id, CAST(bit_count(perceptual_hash # {bits}) AS int) AS distance FROM image_hashes "
                f"WHERE chunks && ({values.bind(keys, 'int[]')})[first:first + {size - 1}] "
                f"AND version = {values.bind(fingerprint.version)} OFFSET 0"
                f") AS candidates WHERE distance <= {values.bind(max_distance)}{end})"
            )
        # PostgreSQL expects a quarter of all images to match. Without OFFSET 0 it would read all of them for the join.
        statement = f"""
            WITH matches AS MATERIALIZED ({" UNION ALL ".join(matches)})
            SELECT matches.id, min(kind), min(distance) FROM matches, LATERAL (
                SELECT FROM images WHERE id = matches.id AND {is_shown} OFFSET 0
            ) AS shown
            GROUP BY matches.id ORDER BY 3, 2, 1 LIMIT {most}"""  # noqa: S608
        rows = await fetch(self._reader, statement, values.values)
        return [SimilarImage(image_id, _KINDS[kind], distance) for image_id, kind, distance in rows]


class SimilarityRepository(SimilarImageReader):
    """The SQL of perceptual hashes. Searches need a search session."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session)
        self._session = session

    async def add_or_update(self, image_id: uuid.UUID, perceptual_hash: PerceptualHash) -> bool:
        """Write the hash of an image, whose row in `images` or `trashed_images` is locked; return whether it is new."""
        values = {"id": image_id, **hash_values(perceptual_hash)}
        with invalidates_only(self._session, LISTS):
            return await self._session.scalar(_ADD_OR_UPDATE, values) is not None

    async def update_pixels(self, image_id: uuid.UUID, pixel_sha256: bytes) -> None:
        """Write the digest of the pixels of an image that has a hash."""
        statement = update(ImageHash).where(ImageHash.image_id == image_id)
        with invalidates_only(self._session, LISTS):
            await self._session.execute(statement.values(pixel_version=PIXEL_VERSION, pixel_sha256=pixel_sha256))
