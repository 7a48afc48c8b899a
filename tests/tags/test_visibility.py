"""Visibility of tags: only the owners and the admins see tags of private images."""

from typing import Any

import asyncpg
import httpx
import pytest

from app.db.database import Database
from app.tags.count_compaction import TagCountCompactor
from tests.support.accounts import Account
from tests.tags.helpers import read, upload

pytestmark = pytest.mark.integration

PATHS = ("/v1/tags?prefix=sec", "/v1/tags?contains=ecre", "/v1/tags?sort=name", "/v1/tags", "/v1/tags?prefix=alias")


async def listed(client: httpx.AsyncClient, path: str) -> list[str]:
    return [tag["name"] for tag in (await read(client, path))["items"]]


async def assert_hidden(client: httpx.AsyncClient) -> None:
    for path in PATHS:
        assert "secret" not in await listed(client, path), path
    for path in ("/v1/tags/secret", "/v1/tags/secret/related", "/v1/tags/alias"):
        response, unknown = await client.get(path), await client.get(path.replace("secret", "nowhere"))
        assert response.status_code == unknown.status_code == 404
        assert response.json()["detail"] == unknown.json()["detail"]


async def assert_seen(client: httpx.AsyncClient, images: int) -> None:
    for path in PATHS:
        assert "secret" in await listed(client, path), path
    for path in ("/v1/tags/secret", "/v1/tags/alias"):
        assert (await read(client, path))["images"] == images
    assert (await client.get("/v1/tags/secret/related")).status_code == 200


@pytest.fixture
async def private_image(user: Account, admin: Account) -> dict[str, Any]:
    image = await upload(user, "secret", "sofa", visibility="private")
    response = await admin.client.put("/v1/tags/secret/aliases", json={"aliases": ["alias"]})
    assert response.status_code == 200
    return image


@pytest.mark.parametrize("folded", [False, True])
async def test_f15_a_tag_of_private_images_is_there_for_their_owner_and_admins_only(
    folded: bool,
    private_image: dict[str, Any],
    user: Account,
    admin: Account,
    make_account: Any,
    client: httpx.AsyncClient,
    database: Database,
) -> None:
    stranger, path = await make_account(), private_image["links"]["self"]

    async def compact() -> None:
        if folded:
            await TagCountCompactor(database, 1).compact()

    await compact()
    for visibility, images in (("private", 0), ("public", 1), ("private", 0)):
        changed = await user.client.patch(path, json={"visibility": visibility})
        assert changed.status_code == 200
        await compact()
        for viewer in (user.client, admin.client):
            await assert_seen(viewer, images)
        for viewer in (client, stranger.client):
            await (assert_seen(viewer, 1) if images else assert_hidden(viewer))
    assert (await user.client.delete(path)).status_code == 204
    await compact()
    await assert_hidden(client)


async def test_f15_a_tag_stays_private_when_its_owner_is_deleted(
    private_image: dict[str, Any],  # noqa: ARG001 - it is there
    user: Account,
    admin: Account,
    client: httpx.AsyncClient,
    sql: asyncpg.Connection,
) -> None:
    await sql.execute("DELETE FROM users WHERE id = $1", user.id)
    await assert_hidden(client)
    await assert_seen(admin.client, 0)
    assert await sql.fetchval("SELECT count(*) FROM private_tags WHERE owner_id = $1", user.id) == 0


async def test_f15_a_tag_made_by_name_stays_listed_and_does_not_disclose_an_older_one(
    private_image: dict[str, Any], user: Account, make_account: Any, client: httpx.AsyncClient
) -> None:
    own = await read(user.client, "/v1/tags/secret")
    stranger = await make_account()
    for name in ("secret", "brand new"):
        made = await stranger.client.post("/v1/tags", json={"names": [name]})
        assert made.status_code == 201
        item = made.json()["items"][0]
        assert item["images"] == 0
        assert item["created_at"] > own["created_at"]
    assert await listed(client, "/v1/tags?sort=name") == ["brand new", "secret"]
    await user.client.patch(private_image["links"]["self"], json={"visibility": "public"})
    await user.client.delete(private_image["links"]["self"])
    assert await listed(client, "/v1/tags?sort=name&prefix=sec") == ["secret"]


async def test_f15_every_way_to_a_new_tag_of_a_private_image_hides_it(
    user: Account, admin: Account, client: httpx.AsyncClient
) -> None:
    path = (await upload(user, visibility="private"))["links"]["self"]
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", f"{path}/tags", {"tags": ["a1"]}),
        ("POST", f"{path}/tags", {"tags": ["a2"]}),
        ("POST", "/v1/images/tags", {"q": "*", "add": ["a3"]}),
    ]
    for method, address, body in requests:
        assert (await user.client.request(method, address, json=body)).status_code == 200
    assert await listed(user.client, "/v1/tags?sort=name") == ["a1", "a2", "a3"]
    assert await listed(client, "/v1/tags") == []
    # A tag that an admin names is public.
    assert (await admin.client.put("/v1/tags/a1/implications", json={"implies": ["b"]})).status_code == 200
    assert await listed(client, "/v1/tags") == ["b"]


async def test_f15_a_tag_of_public_images_outlives_them(user: Account, client: httpx.AsyncClient) -> None:
    path = (await upload(user, "cat"))["links"]["self"]
    assert (await user.client.delete(path)).status_code == 204
    assert (await read(client, "/v1/tags/cat"))["images"] == 0


async def test_f15_a_merge_keeps_a_listed_name_listed(user: Account, admin: Account, client: httpx.AsyncClient) -> None:
    await upload(user, "secret", visibility="private")
    await admin.client.post("/v1/tags", json={"names": ["known"]})
    assert (await admin.client.post("/v1/tags/known/merge", json={"into": "secret"})).status_code == 200
    assert await listed(client, "/v1/tags?prefix=known") == ["secret"]


async def test_f24_private_images_do_not_displace_public_ones_from_the_sample(
    user: Account, client: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    await upload(user, "cat", "sofa")
    # Private images with the smallest ids come first in the index.
    await sql.execute(
        "INSERT INTO images (id, name, storage_key, content_type, size, width, height, sha256, visibility, uploaded_by)"
        " SELECT CAST(lpad(n::text, 32, '0') AS uuid), n, n, 'image/png', 1, 1, 1, sha256(''), 'private', $1"
        " FROM generate_series(1, 600) n",
        user.id,
    )
    await sql.execute(
        "INSERT INTO tagged (tag, image) SELECT t.id, i.id FROM images i, tags t WHERE visibility = 'private'"
    )
    related = (await read(client, "/v1/tags/cat/related"))["items"]
    assert [(one["tag"], one["images"]) for one in related] == [("sofa", 1)]
