"""Images as rows without files, for tests of many. Tests that look at thumbnails store files."""

import asyncpg

_IMAGES = """
    INSERT INTO images (id, name, storage_key, created_at, content_type, size, width, height, sha256)
    SELECT gen_random_uuid(), 'picture ' || n || '.png', 'no file/' || n,
        '2026-11-01'::timestamptz + n * interval '1 s',
        'image/png', 1000, 640, 480 - 40 * (n % 5), sha256(n::text::bytea)
    FROM generate_series(1, $1::int) AS n
"""
_TAGS = "INSERT INTO tags (name) SELECT unnest($1::text[])"
_TAGGED = "INSERT INTO tagged (tag, image) SELECT t.id, i.id FROM images i CROSS JOIN tags t WHERE t.name = ANY ($1)"


async def store_rows(sql: asyncpg.Connection, images: int, tags: tuple[str, ...] = ("cat",)) -> None:
    """Insert public images of five shapes, each with all of these tags."""
    await sql.execute(_IMAGES, images)
    await sql.execute(_TAGS, list(tags))
    await sql.execute(_TAGGED, list(tags))
