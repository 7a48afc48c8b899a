"""A collection of which 99 % is private, for checks of its visibility to a stranger."""

import uuid

import asyncpg

from app.media.image_properties import HASH_VERSION

PUBLIC, PRIVATE = 8, 792
ALIASES = {"kitty": "common", "hush": "secret0"}
# Tags of private images only: more than a wildcard may stand for, and the first in the order of names.
HIDDEN = tuple(f"{prefix}{number}" for prefix in ("secret", "aa") for number in range(120))
TWIN = b"\x07" * 32

_IMAGES = """
    INSERT INTO images (id, name, storage_key, created_at, uploaded_by, content_type, size, width, height, taken_at,
        camera, sha256, visibility)
    SELECT CAST(lpad(n::text, 32, '0') AS uuid), 'picture ' || n || '.png', 'key ' || n,
        '2026-11-01'::timestamptz + n * interval '1 minute', $1, 'image/' || (ARRAY['png', 'jpeg'])[1 + n % 2],
        1000 * (n % 7), 100 + n % 5, 100 + n % 3,
        CASE WHEN n % 4 > 0 THEN '2026-10-01'::timestamp + n % 50 * interval '1 hour' END, 'camera ' || n % 5,
        CASE WHEN n % 3 = 0 THEN $2 ELSE sha256(n::text::bytea) END,
        CASE WHEN n % 100 = 99 THEN 'public' ELSE 'private' END
    FROM generate_series($3::int, $4::int) AS n"""
# All are near each other: only the last chunk of the hashes differs.
_HASHES = """
    INSERT INTO image_hashes (image_id, version, perceptual_hash, quality, chunks)
    SELECT id, $1, CAST(repeat('0', 240) AS bit(240)) || CAST(width % 5 AS bit(16)), 50,
        ARRAY(SELECT c * 65536 + CASE WHEN c = 15 THEN width % 5 ELSE 0 END FROM generate_series(0, 15) AS c)
    FROM images ON CONFLICT DO NOTHING"""
_TAGGED = """
    INSERT INTO tagged (tag, image)
    SELECT t.id, i.id FROM images i JOIN tags t ON
        t.name = 'common'
        OR (t.name = 'half' AND i.width % 2 = 0)
        OR (t.name LIKE 'public%' AND i.visibility = 'public' AND i.size % 2000 = 0)
        OR (t.name LIKE ANY(ARRAY['secret%', 'aa%', 'plan:x']) AND i.visibility = 'private' AND t.id % 5 = i.width % 5)
    ON CONFLICT DO NOTHING"""


async def store_private_collection(sql: asyncpg.Connection, owner: uuid.UUID, first: int, last: int) -> None:
    """Insert the missing images of these numbers, with their tags."""
    names = ["common", "half", "public a", "publicity", *HIDDEN, "plan:x"]
    await sql.execute("INSERT INTO tags (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", names)
    await sql.execute("INSERT INTO tags (name, is_listed) VALUES ('unused', true) ON CONFLICT DO NOTHING")
    for alias, target in ALIASES.items():
        await sql.execute(
            "INSERT INTO tags (name, alias_of) SELECT $1, id FROM tags WHERE name = $2 ON CONFLICT DO NOTHING",
            *(alias, target),
        )
    await sql.execute(_IMAGES, owner, TWIN, first, last)
    await sql.execute(_HASHES, HASH_VERSION)
    await sql.execute(_TAGGED)


async def remove_what_is_private(sql: asyncpg.Connection) -> None:
    """Remove all traces of private images, as if none had ever been stored."""
    await sql.execute("DELETE FROM images WHERE visibility = 'private'")
    await sql.execute("DELETE FROM tags WHERE id IN (SELECT id FROM tags WHERE name = ANY($1))", [*HIDDEN, "plan:x"])
    await sql.execute("DELETE FROM private_tags")
    await sql.execute("ANALYZE images; ANALYZE tags")
