"""A wildcard stands for the tags of visible images, each once."""

from typing import Any

import asyncpg
import httpx
import pytest

from app.search.planning.tag_resolution import MAX_TAGS_PER_WILDCARD
from tests.support.accounts import Account
from tests.tags.helpers import read, upload

pytestmark = pytest.mark.integration


async def found(client: httpx.AsyncClient, query: str) -> int:
    return len((await read(client, "/v1/images", q=query, limit=100))["items"])


async def test_f47_tags_without_a_visible_image_do_not_count(
    user: Account, admin: Account, make_account: Any, client: httpx.AsyncClient
) -> None:
    stranger = await make_account()
    for start in (0, 60):
        names = [f"zq{number}" for number in range(start, start + 60)]
        assert (await user.client.post("/v1/tags", json={"names": names})).status_code == 201
        await upload(stranger, *names, visibility="private")
    await upload(user, "zq1")
    for viewer, images in ((client, 1), (user.client, 1)):
        assert await found(viewer, "zq*") == images
        assert await found(viewer, "-zq*") == 0
    for viewer in (stranger.client, admin.client):
        response = await viewer.get("/v1/images", params={"q": "zq*"})
        assert (response.status_code, response.json()["type"]) == (400, "/problems/query-too-broad")


async def test_f48_tags_with_many_aliases_count_once(
    user: Account, client: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    targets = [f"wz{number}" for number in range(5)]
    for target in targets:
        await upload(user, target)
    await sql.execute(
        "INSERT INTO tags (name, alias_of) SELECT 'wz-' || t.id || '-' || n, t.id FROM tags t, generate_series(1, 95) n"
    )
    assert await found(client, "wz*") == 5
    assert await found(client, "wz-*") == 5


@pytest.mark.parametrize("more", [0, 1])
async def test_f47_the_limit_is_of_visible_tags(user: Account, client: httpx.AsyncClient, more: int) -> None:
    names = [f"k{number}" for number in range(MAX_TAGS_PER_WILDCARD + more)]
    for start in range(0, len(names), 60):
        await upload(user, *names[start : start + 60])
    response = await client.get("/v1/images", params={"q": "k*"})
    assert response.status_code == (400 if more else 200)
