"""K10: filter, distinct, then limit. Each limited read is compared with plain Python over the raw rows.

Every entity has 200 duplicates, and 500 invisible rows come before the visible ones.
"""

import itertools
import math
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.images.new_images import MAX_DUPLICATES
from tests.images.test_suggestions import ALL as ANYONE
from tests.images.test_suggestions import Stored, suggest
from tests.similarity.hashes import add_hashes, hash_of
from tests.support.accounts import Account
from tests.support.openapi import DOCUMENT
from tests.tags.helpers import read, upload

pytestmark = pytest.mark.integration

# Lists without joins: no row can be repeated, and visibility is a condition on the row itself.
PLAIN = ("/v1/users", "/v1/ops", "/v1/trash", "/v1/history", "/v1/images/{image_id}/history")
COMPARED = {
    *("/v1/images", "/v1/images/facets", "/v1/tags", "/v1/tags/{name}/related", "/v1/tags/{name}/history"),
    *("/v1/images/duplicates", "/v1/images/{image_id}/suggested-tags", "/v1/images/{image_id}/similar"),
}
TARGETS = ["zebra", "zen", "zoo"]
DUPLICATES, INVISIBLE = 200, 500


@pytest.fixture
async def stored(user: Account, sql: asyncpg.Connection) -> list[dict[str, Any]]:
    """Nine public images, three tags with 200 aliases each; 500 private images and tags sort before and after them."""
    images = [await upload(user, *TARGETS[: 1 + number % 3], "apart") for number in range(9)]
    await sql.execute(
        "INSERT INTO tags (name, alias_of) SELECT 'za' || t.id || '-' || n, t.id FROM tags t, generate_series(1, $1) n "
        "WHERE t.name = ANY($2)",
        *(DUPLICATES, TARGETS),
    )
    await sql.execute(
        "INSERT INTO images (id, name, storage_key, created_at, content_type, size, width, height, sha256, visibility) "
        "SELECT CAST(lpad(n::text, 32, '0') AS uuid), n, n, now() + n * interval '1 s', 'image/png', 1, 1, 1, $2, "
        "'private' FROM generate_series(1, $1) n",
        *(INVISIBLE, bytes.fromhex(images[0]["sha256"])),
    )
    await sql.execute(
        "INSERT INTO tags (name) SELECT (ARRAY['za', 'zzz'])[1 + n % 2] || n FROM generate_series(1, $1) n", INVISIBLE
    )
    await sql.execute(
        "INSERT INTO tagged (tag, image) SELECT t.id, i.id FROM images i "
        "JOIN tags t ON t.name = ANY($1) OR t.name IN ('za' || i.name, 'zzz' || i.name) WHERE i.visibility = 'private'",
        TARGETS,
    )
    return images


async def all_pages(client: httpx.AsyncClient, path: str, **parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await read(client, path, **parameters)
        found += page["items"]
        if not page["next_cursor"]:
            return found
        parameters["cursor"] = page["next_cursor"]


def test_k10_every_limited_read_is_compared() -> None:
    limited = {
        path
        for path, item in DOCUMENT["paths"].items()
        if any(parameter.get("name") == "limit" for parameter in item.get("get", {}).get("parameters", ()))
    }
    assert {path for path in limited if not path.startswith(PLAIN)} == COMPARED


PARTS: list[dict[str, str]] = [{"prefix": "z"}, {"prefix": "za"}, {"contains": "e"}, {"contains": "a1"}, {}]


async def test_k10_tags_are_distinct_and_visible_before_they_are_limited(
    stored: list[dict[str, Any]], client: httpx.AsyncClient
) -> None:
    counted = Counter(tag for image in stored for tag in image["tags"])
    names = {row["name"]: {row["name"]} for row in await _tags(client) if row["name"] in counted}
    for row in await _tags(client):
        names[row["name"]] |= set(row["aliases"])

    for part, sort in itertools.product(PARTS, ("count", "name")):

        def fits(name: str, part: dict[str, str] = part) -> bool:
            return name.startswith(part.get("prefix", "")) and part.get("contains", "") in name

        expected = [tag for tag in counted if any(map(fits, names[tag]))]
        expected.sort(key=lambda tag: (-counted[tag], tag) if sort == "count" else (0, tag))
        for limit in (1, 2, 100):
            found = await all_pages(client, "/v1/tags", sort=sort, limit=limit, **part)
            assert [(one["name"], one["images"]) for one in found] == [(tag, counted[tag]) for tag in expected]


async def _tags(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return [await read(client, f"/v1/tags/{name}") for name in ("apart", *TARGETS)]


async def test_k10_related_tags_are_counted_on_visible_images(
    stored: list[dict[str, Any]], client: httpx.AsyncClient
) -> None:
    counted = Counter(tag for image in stored for tag in image["tags"])
    for tag in counted:
        together = Counter(other for image in stored if tag in image["tags"] for other in image["tags"] if other != tag)
        expected = [
            (other, counted[other], round(shared / math.sqrt(counted[tag] * counted[other]), 4))
            for other, shared in together.items()
        ]
        expected.sort(key=lambda one: (-one[2], one[0]))
        for limit in (1, 2, 20):
            found = (await read(client, f"/v1/tags/{tag}/related", limit=limit))["items"]
            assert [(one["tag"], one["images"], one["score"]) for one in found] == expected[:limit]


async def test_k10_suggested_tags_are_those_of_visible_images(
    stored: list[dict[str, Any]], client: httpx.AsyncClient
) -> None:
    images = [
        Stored(uuid.UUID(image["id"]), ANYONE, is_private=False, file=number, tags=frozenset(image["tags"]))
        for number, image in enumerate(stored)
    ]
    for target in images[:3]:
        expected = suggest([*TARGETS, "apart"], images, target, None, 125)
        for limit in (1, 2, 20):
            found = (await read(client, f"/v1/images/{target.id}/suggested-tags", limit=limit))["items"]
            assert [(one["tag"], one["votes"], one["because"]) for one in found] == [
                (one["tag"], one["votes"], one["because"]) for one in expected[:limit]
            ]


async def test_k10_similar_images_are_visible_before_they_are_limited(
    stored: list[dict[str, Any]], client: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    private = [row["id"] for row in await sql.fetch("SELECT id FROM images WHERE visibility = 'private'")]
    near = [hash_of((1 << number) - 1) for number in range(len(stored))]
    await sql.execute("DELETE FROM image_hashes")
    await add_hashes(sql, [*private, *(uuid.UUID(one["id"]) for one in stored)], [near[0]] * len(private) + near)
    for limit in (1, 2, 20):
        found = (await read(client, f"/v1/images/{stored[0]['id']}/similar", limit=limit))["items"]
        expected = [(one["id"], distance) for distance, one in enumerate(stored)][1 : limit + 1]
        assert [(one["image"]["id"], one["distance"]) for one in found] == expected


async def test_k10_duplicates_are_the_callers_own_before_they_are_limited(
    stored: list[dict[str, Any]], user: Account, sql: asyncpg.Connection
) -> None:
    digests = [bytes.fromhex(image["sha256"]) for image in stored]
    for number, image in enumerate(stored):
        statement = "UPDATE images SET sha256 = $1 WHERE id = $2"
        await sql.execute(statement, digests[number % 3], uuid.UUID(image["id"]))
    expected = [[image["id"] for image in stored[number::3]] for number in range(3)]
    for limit in (1, 2, 100):
        found = await all_pages(user.client, "/v1/images/duplicates", limit=limit)
        assert [[image["id"] for image in group["images"]] for group in found] == expected


async def test_k10_facets_are_counted_on_visible_images(
    stored: list[dict[str, Any]], client: httpx.AsyncClient
) -> None:
    for query, fits in QUERIES.items():
        found = [image for image in stored if fits(image["tags"])]
        counted = Counter(tag for image in found for tag in image["tags"])
        expected = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        for limit in (1, 2, 100):
            facets = await read(client, "/v1/images/facets", q=query, by="tag", limit=limit)
            assert [(one["value"], one["images"]) for one in facets["items"]] == expected[:limit]
            assert facets["total"] == len(found)


async def test_k10_the_history_of_a_tag_is_that_of_visible_images(
    stored: list[dict[str, Any]], client: httpx.AsyncClient
) -> None:
    for tag in TARGETS:
        expected = [f"/v1/images/{image['id']}" for image in reversed(stored) if tag in image["tags"]]
        for limit in (1, 2, 100):
            found = await all_pages(client, f"/v1/tags/{tag}/history", limit=limit)
            assert [one["image"] for one in found] == expected


QUERIES: dict[str, Callable[[list[str]], bool]] = {
    **dict.fromkeys(("*", "z*", "za*", "apart OR zen"), lambda _tags: True),
    "zebra": lambda tags: "zebra" in tags,
    "-zoo": lambda tags: "zoo" not in tags,
    "3-of:(z* apart zoo)": lambda tags: "zoo" in tags,
}


async def test_k10_images_are_distinct_and_visible_before_they_are_limited(
    stored: list[dict[str, Any]], client: httpx.AsyncClient
) -> None:
    for query, matches in QUERIES.items():
        expected = [image["id"] for image in reversed(stored) if matches(image["tags"])]
        for limit in (1, 4, 100):
            found = await all_pages(client, "/v1/images", q=query, limit=limit)
            assert [one["id"] for one in found] == expected
        for count in ("exact", "estimate"):
            assert (await read(client, "/v1/images", q=query, count=count))["total"] == len(expected)


async def test_k10_duplicates_and_the_oldest_of_them_are_visible_ones(
    stored: list[dict[str, Any]], user: Account, make_account: Any, sql: asyncpg.Connection
) -> None:
    digest, stranger = stored[0]["sha256"], await make_account()
    await sql.execute("UPDATE images SET sha256 = $1", bytes.fromhex(digest))
    await sql.execute(
        "INSERT INTO images (id, name, storage_key, content_type, size, width, height, sha256) SELECT "
        "gen_random_uuid(), 'x' || n, 'x' || n, 'image/png', 1, 1, 1, $2 FROM generate_series(1, $1) n",
        *(DUPLICATES, bytes.fromhex(digest)),
    )
    public = await sql.fetch("SELECT id FROM images WHERE visibility = 'public' ORDER BY id LIMIT $1", MAX_DUPLICATES)
    content = (await user.client.get(f"/v1/images/{stored[0]['id']}/content")).content
    uploaded = await stranger.client.post("/v1/images", files={"image": ("again.png", content, "image/png")})
    assert uploaded.json()["duplicates"] == [f"/v1/images/{row['id']}" for row in public]
    found = await stranger.client.post("/v1/images/lookup", json={"sha256": [digest, "0" * 64, digest]})
    assert {item["image"] for item in found.json()["items"]} == {stored[0]["links"]["self"]}
