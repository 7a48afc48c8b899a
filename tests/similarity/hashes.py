"""Images with given hashes, inserted by SQL."""

import hashlib
import uuid
from collections.abc import Sequence

import asyncpg

from app.media.image_properties import HASH_BYTES, HASH_VERSION, PerceptualHash
from app.similarity.hash_chunks import bit_text, list_chunks

BITS = 8 * HASH_BYTES
GOOD = 50


def hash_of(number: int, quality: int = GOOD) -> PerceptualHash:
    """Return a hash of these bits."""
    return PerceptualHash(number.to_bytes(HASH_BYTES, "big"), quality)


def number_of(perceptual_hash: PerceptualHash) -> int:
    """Return the bits of a hash."""
    return int.from_bytes(perceptual_hash.bits, "big")


def distance(one: PerceptualHash, other: PerceptualHash) -> int:
    """Return the number of different bits."""
    return (number_of(one) ^ number_of(other)).bit_count()


async def add_hashed_images(
    sql: asyncpg.Connection,
    hashes: Sequence[PerceptualHash],
    *,
    owner: uuid.UUID | None = None,
    visibility: str = "public",
) -> list[uuid.UUID]:
    """Insert an image for each hash; return the ids."""
    ids = [uuid.uuid4() for _ in hashes]
    await sql.executemany(
        "INSERT INTO images (id, name, storage_key, content_type, size, width, height, sha256, visibility, "
        "uploaded_by) VALUES ($1, $2, $2, 'image/png', 1, 1, 1, $3, $4, $5)",
        [(one, str(one), hashlib.sha256(one.bytes).digest(), visibility, owner) for one in ids],
    )
    await add_hashes(sql, ids, hashes)
    return ids


async def add_hashes(sql: asyncpg.Connection, images: Sequence[uuid.UUID], hashes: Sequence[PerceptualHash]) -> None:
    """Insert the hash of each image."""
    await sql.executemany(
        "INSERT INTO image_hashes (image_id, version, perceptual_hash, quality, chunks) "
        "VALUES ($1, $2, CAST(CAST($3 AS text) AS bit(256)), $4, $5)",
        [
            (image, HASH_VERSION, bit_text(one.bits), one.quality, list_chunks(one.bits, one.quality))
            for image, one in zip(images, hashes, strict=True)
        ],
    )
