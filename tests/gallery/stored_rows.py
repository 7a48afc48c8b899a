"""Images as rows without files, for tests of many. Tests that look at thumbnails store files."""

import asyncpg

# Rows of one statement. The triggers of tags take minutes for 100,000 rows at once, which have no statistics.
BATCH = 2000
_IMAGES = """
    INSERT INTO images (id, name, storage_key, created_at, content_type, size, width, height, sha256)
    SELECT gen_random_uuid(), 'picture ' || n || '.png', 'no file/' || n,
        '2026-11-01'::timestamptz + n * interval '1 s',
        'image/png', 1000, 640, 480 - 40 * (n % 5), sha256(n::text::bytea)
    FROM generate_series($1::int, $2::int) AS n
    RETURNING id
"""
_TAGS = "INSERT INTO tags (name) SELECT unnest($1::text[])"
_TAGGED = "INSERT INTO tagged (tag, image) SELECT t.id, i FROM unnest($1::uuid[]) AS i, tags t WHERE t.name = ANY ($2)"


async def store_rows(sql: asyncpg.Connection, images: int, tags: tuple[str, ...] = ("cat",)) -> None:
    """Insert public images of five shapes, each with all of these tags."""
    await sql.execute(_TAGS, list(tags))
    for first in range(1, images + 1, BATCH):
        stored = await sql.fetch(_IMAGES, first, min(first + BATCH - 1, images))
        await sql.execute(_TAGGED, [row["id"] for row in stored], list(tags))
    if images > BATCH:
        await sql.execute("ANALYZE images, tagged")
