"""HTTP calls of the tag tests, and the recount that the counts are compared with."""

import uuid
from typing import Any

import asyncpg
import httpx

from tests.support.accounts import Account
from tests.support.photos import png

RECOUNT = """
SELECT t.name, count(i.id) AS images FROM tags t
LEFT JOIN tagged g ON g.tag = t.id LEFT JOIN images i ON i.id = g.image AND i.visibility = 'public'
WHERE t.alias_of IS NULL GROUP BY t.name
"""
SHADOW = """
SELECT count(*) FROM images i
WHERE i.tag_ids IS DISTINCT FROM ARRAY(SELECT tag FROM tagged WHERE image = i.id ORDER BY tag)
"""
# Each by-hand tag's closure is there, and nothing else.
UNDERIVED = """
WITH RECURSIVE wanted(image, tag) AS (
    SELECT image, tag FROM tagged WHERE is_explicit
    UNION SELECT w.image, i.implied_tag_id FROM wanted w JOIN tag_implications i ON i.tag_id = w.tag
)
SELECT count(*) FROM (SELECT image, tag FROM wanted) w FULL JOIN tagged t USING (image, tag)
WHERE w.image IS NULL OR t.image IS NULL
"""

# The bitmaps agree with each image in them, and each image is in them or in the list of changes.
MISMAPPED = """
WITH known AS (
    SELECT * FROM bitmap_ordinals n LEFT JOIN images i ON i.id = n.image_id
    WHERE image_id NOT IN (SELECT image_id FROM bitmap_index_queue)
)
SELECT (
    SELECT count(*) FROM tag_bitmaps b JOIN known n ON n.ordinal / 8192 = b.chunk
    WHERE get_bit(b.bits, n.ordinal % 8192) <> CAST(CASE b.tag_id
        WHEN 0 THEN n.id IS NOT NULL WHEN -1 THEN n.visibility IS NOT DISTINCT FROM 'public'
        WHEN -2 THEN n.content_type IS NOT DISTINCT FROM 'image/jpeg'
        WHEN -3 THEN n.content_type IS NOT DISTINCT FROM 'image/png'
        WHEN -4 THEN n.content_type IS NOT DISTINCT FROM 'image/webp'
        WHEN -5 THEN n.content_type IS NOT DISTINCT FROM 'image/gif'
        WHEN -6 THEN n.content_type IS NOT DISTINCT FROM 'image/avif'
        WHEN -7 THEN n.content_type IS NOT DISTINCT FROM 'image/heic'
        ELSE coalesce(b.tag_id = ANY(n.tag_ids), false) END AS int)
) + (
    SELECT count(*) FROM images
    WHERE id NOT IN (SELECT image_id FROM bitmap_index_queue UNION SELECT image_id FROM bitmap_ordinals)
) + (
    SELECT count(*) FROM (SELECT count(*) FROM tag_bitmaps GROUP BY tag_id) AS of_tag(chunks)
    WHERE chunks <> (SELECT count(*) FROM tag_bitmaps WHERE tag_id = 0)
)
"""


async def upload(user: Account, *tags: str, visibility: str = "public") -> dict[str, Any]:
    """Upload an image with these tags."""
    files = {"image": (f"{uuid.uuid4().hex}.png", png(), "image/png")}
    data = {"tags": list(tags), "visibility": visibility}
    response = await user.client.post("/v1/images", files=files, data=data)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def read(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """Return the body of a read that succeeds."""
    # Empty parameters would remove those of the path.
    response = await client.get(path, params=params or None)
    assert response.status_code == 200, response.text
    return response.json()


def counts_of(response: httpx.Response) -> tuple[int, int]:
    """Return the numbers of matching and of changed images of a bulk edit that succeeds."""
    assert response.status_code == 200, response.text
    body = response.json()
    return body["matched"], body["changed"]


async def counts(client: httpx.AsyncClient) -> dict[str, int]:
    """Return every tag's count from the paged list."""
    found: dict[str, int] = {}
    cursor: str | None = None
    while True:
        page = await read(client, "/v1/tags", limit=7, **({"cursor": cursor} if cursor else {}))
        for item in page["items"]:
            assert item["name"] not in found
            found[item["name"]] = item["images"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def assert_consistent(client: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    """Compare counts, `tag_ids`, implied tags and bitmaps with a recount."""
    reported, recounted = await counts(client), {row["name"]: row["images"] for row in await sql.fetch(RECOUNT)}
    hidden = {row["name"] for row in await sql.fetch("SELECT name FROM tags JOIN private_tags ON tag_id = tags.id")}
    assert reported.items() <= recounted.items()
    assert {name for name, images in recounted.items() if images or name not in hidden} <= reported.keys()
    assert await sql.fetchval(SHADOW) == 0
    assert await sql.fetchval(UNDERIVED) == 0
    assert await sql.fetchval(MISMAPPED) == 0
