"""A seeded collection of any size, straight into the tables.

    python -m benchmarks.dataset --images 1000000      # into DATABASE_URL, whose migrations have run

An image belongs to a topic, one in five to the next one as well. It has some of a few hundred tags that all topics use,
the tag of its topic, and some tags that only its topic has; all by Zipf's law. So every tag of a topic is a subset of
the topic's own tag. Common tags of one topic meet often; those of topics that are not neighbours never meet.
"""

import argparse
import asyncio
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import asyncpg
import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from app.core.settings import Settings
from app.db.database import Database
from app.search.bitmap_index.maintenance import BitmapIndexUpdater

SHARED = 300
TOPICS = 200
TOPIC_TAGS = 250
USERS = 1000
DAYS = 1000
NEWEST = datetime(2026, 11, 1, tzinfo=UTC)
CHUNK = 20_000
_TABLES = ("users", "images", "tags", "tagged", "tag_count_deltas", "orphaned_objects")
_BITMAPS = ("bitmap_ordinals", "bitmap_chunks", "tag_bitmaps", "bitmap_index_queue")
_NO_PHOTO = "\\N\t\\N"
_GREGORIAN = datetime(1582, 10, 15, tzinfo=UTC)
_SYLLABLES = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
_TYPES = np.array(["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"])
_COLUMNS = [
    "id",
    "name",
    "storage_key",
    "created_at",
    "uploaded_by",
    "content_type",
    "size",
    "width",
    "height",
    "taken_at",
    "camera",
    "sha256",
    "visibility",
    "tag_ids",
]
# Of three images in ten no time and no camera is known. Most are uploaded days after they are taken, some after years.
PHOTOS = 0.7
DELAY_DAYS = (3, 0.9, 400)
CAMERAS = 400
MAKES = ("Canon", "NIKON", "SONY", "Apple", "FUJIFILM", "samsung", "Panasonic", "Leica")
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Names:
    """The vocabulary; a tag's id is its index + 1."""

    shared: list[str]
    topics: list[str]
    of_topic: list[list[str]]

    def all(self) -> list[str]:
        """Return the names in the order of their ids."""
        return [*self.shared, *self.topics, *(name for names in self.of_topic for name in names)]


@cache
def names() -> Names:
    """Return the vocabulary, which is the same for every size of collection."""
    random = np.random.default_rng(7)
    made: dict[str, None] = {}
    while len(made) < SHARED + TOPICS * (1 + TOPIC_TAGS):
        made["".join(random.choice(_SYLLABLES, random.integers(2, 5)))] = None
    words = list(made)
    rest = words[SHARED + TOPICS :]
    of_topic = [rest[start : start + TOPIC_TAGS] for start in range(0, len(rest), TOPIC_TAGS)]
    return Names(words[:SHARED], words[SHARED : SHARED + TOPICS], of_topic)


@cache
def cameras() -> list[str]:
    """Return the cameras, the most frequent one first. A model has a name of its own."""
    return [
        f"{MAKES[number % len(MAKES)]} {names().shared[number % SHARED].title()} {number}" for number in range(CAMERAS)
    ]


class Zipf:
    """Draws ranks 0..size-1 by Zipf's law."""

    def __init__(self, size: int, exponent: float = 0.9) -> None:
        weights = 1 / np.arange(1, size + 1) ** exponent
        self._cumulated = np.cumsum(weights / weights.sum())

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Ints:
        """Return ranks in this shape."""
        drawn = np.searchsorted(self._cumulated, random.random(shape))
        return np.minimum(drawn, len(self._cumulated) - 1).astype(np.int64)


def tag_rows(random: np.random.Generator, count: int) -> list[list[int]]:
    """Return the sorted tag ids of `count` images."""
    topic = Zipf(TOPICS).draw(random, (count,))
    second = np.where(random.random(count) < 0.2, (topic + 1) % TOPICS, topic)
    shared = Zipf(SHARED).draw(random, (count, 5)) + 1
    home = np.where(random.random((count, 6)) < 0.5, topic[:, None], second[:, None])
    own = Zipf(TOPIC_TAGS).draw(random, (count, 6)) + home * TOPIC_TAGS + 1 + SHARED + TOPICS
    parents = np.stack([topic, second], axis=1) + 1 + SHARED
    return [sorted(set(row)) for row in np.concatenate([shared, own, parents], axis=1).tolist()]


def image_lines(images: int, seed: int, users: list[uuid.UUID]) -> Iterator[bytes]:
    """Yield the images, oldest first, in chunks in the text format of COPY."""
    random = np.random.default_rng(seed)
    step = timedelta(days=DAYS) / images
    uploader = Zipf(USERS)
    for start in range(0, images, CHUNK):
        count = min(CHUNK, images - start)
        tags = tag_rows(random, count)
        sizes = np.exp(random.normal(13.5, 1.1, count)).astype(np.int64).tolist()
        widths = random.choice([640, 800, 1024, 1280, 1920, 2560, 3000, 4000, 6000], count) + random.integers(
            0, 9, count
        )
        heights = random.choice([480, 600, 768, 720, 1080, 1440, 2000, 3000], count).tolist()
        kinds = random.choice(_TYPES, count, p=[0.7, 0.2, 0.06, 0.035, 0.005]).tolist()
        owners = [str(users[one]) for one in uploader.draw(random, (count,)).tolist()]
        private = (random.random(count) < 0.02).tolist()
        is_photo = random.random(count) < PHOTOS
        soon, share, late = DELAY_DAYS
        delays = random.exponential(np.where(random.random(count) < share, soon, late)).tolist()
        models = Zipf(CAMERAS).draw(random, (count,)).tolist()
        digests = [row.tobytes().hex() for row in random.integers(0, 256, (count, 32), dtype=np.uint8)]
        lines = []
        for index in range(count):
            at = NEWEST - timedelta(days=DAYS) + step * (start + index)
            identity = _uuid1(at, seed, start + index)
            lines.append(
                f"{identity}\timg_{start + index:08d}.{kinds[index][6:]}\toriginals/{identity}\t{at.isoformat()}\t"
                f"{owners[index]}\t{kinds[index]}\t{sizes[index]}\t{widths[index]}\t{heights[index]}\t"
                f"{_photo(at, delays[index], models[index]) if is_photo[index] else _NO_PHOTO}\t"
                f"\\\\x{digests[index]}\t{'private' if private[index] else 'public'}\t"
                f"{{{','.join(map(str, tags[index]))}}}\n"
            )
        yield "".join(lines).encode()


def _photo(at: datetime, delay: float, model: int) -> str:
    taken_at = (at - timedelta(days=delay)).replace(tzinfo=None, microsecond=0)
    return f"{taken_at.isoformat()}\t{cameras()[model]}"


def _uuid1(at: datetime, seed: int, number: int) -> uuid.UUID:
    ticks = (at - _GREGORIAN) // timedelta(microseconds=1) * 10 + number % 10
    low, middle, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF
    return uuid.UUID(fields=(low, middle, high | 0x1000, 0x80, seed & 0xFF, number | 1 << 40))


async def load(url: str, images: int, seed: int = 1) -> None:
    """Replace the content of the tables. It takes minutes less without indexes, constraints and triggers."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"TRUNCATE {', '.join(_TABLES + _BITMAPS)} RESTART IDENTITY CASCADE")
        rebuild = await _strip(connection)
        users = [uuid.UUID(int=number + 1) for number in range(USERS)]
        accounts = [(user, f"user{number}@example.com") for number, user in enumerate(users)]
        await connection.copy_records_to_table("users", records=accounts, columns=["id", "email"])
        vocabulary = [(number, name) for number, name in enumerate(names().all(), 1)]
        await connection.copy_records_to_table("tags", records=vocabulary, columns=["id", "name"])
        await connection.execute("SELECT setval('tags_id_seq', (SELECT max(id) FROM tags))")
        for chunk in image_lines(images, seed, users):
            await connection.copy_to_table("images", source=_Bytes(chunk), columns=_COLUMNS, format="text")
        await connection.execute(
            "INSERT INTO tagged (tag, image, created_at) SELECT t.id, i.id, i.created_at "
            "FROM images i, unnest(i.tag_ids) AS t(id)"
        )
        await connection.execute("SET maintenance_work_mem = '1GB'")
        for statement in rebuild:
            await connection.execute(statement)
        await connection.execute(
            "UPDATE tags SET image_count = counted.images FROM (SELECT t.id, count(*) AS images FROM images, "
            "unnest(images.tag_ids) AS t(id) WHERE visibility = 'public' GROUP BY 1) AS counted "
            "WHERE tags.id = counted.id"
        )
        await connection.execute(f"VACUUM ANALYZE {', '.join(_TABLES)}")
        await connection.execute("INSERT INTO bitmap_index_queue (image_id) SELECT id FROM images ORDER BY created_at")
        await _map(url)
        await connection.execute(f"VACUUM ANALYZE {', '.join(_BITMAPS)}")
    finally:
        await connection.close()


async def _map(url: str) -> None:
    """Build the bitmaps of the common tags, as the service does."""
    database = Database(Settings(database_url=SecretStr(url)))
    try:
        await BitmapIndexUpdater(database, interval=1).update()
    finally:
        await database.close()


async def _strip(connection: asyncpg.Connection) -> list[str]:
    """Drop the indexes, constraints and triggers of images and tagged; return the statements that restore them."""
    rebuild: list[str] = []
    constraints = await connection.fetch(
        "SELECT conrelid::regclass::text AS owner, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint "
        "WHERE conrelid IN ('images'::regclass, 'tagged'::regclass) AND contype IN ('p', 'u', 'f') "
        "OR confrelid = 'images'::regclass "
        "ORDER BY contype = 'f'"
    )
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index "
        "WHERE indrelid IN ('images'::regclass, 'tagged'::regclass) AND NOT EXISTS "
        "(SELECT FROM pg_constraint WHERE conindid = indexrelid)"
    )
    for owner, name, definition in reversed([tuple(row) for row in constraints]):
        await connection.execute(f"ALTER TABLE {owner} DROP CONSTRAINT {name}")
        rebuild.insert(0, f"ALTER TABLE {owner} ADD CONSTRAINT {name} {definition}")
    for name, definition in indexes:
        await connection.execute(f"DROP INDEX {name}")
        rebuild.append(definition)
    for table in ("images", "tagged"):
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        rebuild.append(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    return rebuild


class _Bytes:
    """One chunk as the asynchronous iterable that COPY reads."""

    def __init__(self, chunk: bytes) -> None:
        self._chunk: bytes | None = chunk

    def __aiter__(self) -> "_Bytes":
        return self

    async def __anext__(self) -> bytes:
        chunk, self._chunk = self._chunk, None
        if chunk is None:
            raise StopAsyncIteration
        return chunk


def main() -> None:
    """Load the collection and print the duration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.perf_counter()
    asyncio.run(load(Settings().database_url.get_secret_value(), options.images, options.seed))
    print(f"{options.images} images in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
