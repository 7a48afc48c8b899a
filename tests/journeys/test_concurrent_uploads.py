import asyncio

import asyncpg
import httpx
import pytest

from app.storage.object_store import ObjectStore
from tests.support.accounts import Account
from tests.support.photos import png

AT_ONCE = 64


async def upload(client: httpx.AsyncClient, name: str, content: bytes) -> httpx.Response:
    return await client.post("/v1/images", files={"image": (name, content)}, data={"tags": "all,together"}, timeout=60)


@pytest.fixture
def client(user: Account) -> httpx.AsyncClient:
    return user.client


async def test_64_names_at_once_are_all_stored_and_readable(client: httpx.AsyncClient) -> None:
    photos = {f"photo-{number}.png": png() for number in range(AT_ONCE)}
    responses = await asyncio.gather(*(upload(client, name, content) for name, content in photos.items()))
    assert [response.status_code for response in responses] == [201] * AT_ONCE
    for response in responses:
        image = response.json()
        assert (await client.get(image["links"]["content"])).content == photos[image["name"]]
    [tag] = (await client.get("/v1/tags", params={"prefix": "together"})).json()["items"]
    assert tag["images"] == AT_ONCE


async def test_concurrent_uploads_of_one_name_store_one_image(
    client: httpx.AsyncClient, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    before = [one.key async for one in object_store.list_objects()]
    responses = await asyncio.gather(*(upload(client, "same.png", png()) for _ in range(AT_ONCE)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * (AT_ONCE - 1)
    [winner] = [response.json() for response in responses if response.status_code == 201]
    for refused in (response.json() for response in responses if response.status_code == 409):
        assert refused["type"] == "/problems/name-taken"
        assert refused["image"] == winner["links"]["self"]
    assert await sql.fetchval("SELECT count(*) FROM images") == 1
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    key = await sql.fetchval("SELECT storage_key FROM images")
    assert {one.key async for one in object_store.list_objects()} - set(before) == {key}
    assert "same" not in key
