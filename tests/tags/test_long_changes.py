"""While a tag is changed that very many images have: what others do is done, or told to be busy within seconds."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.tags.changes import _ADVISORY_LOCK
from tests.accounts import Account
from tests.photos import png
from tests.tags.library import read, upload

BUSY = (503, "/problems/database-busy")


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


@pytest.fixture
async def changing(user: Account, settings: Settings) -> AsyncIterator[str]:
    """An image whose tag `huge` is being merged: what a merge holds until its commit is held."""
    image: str = (await upload(user, "huge"))["links"]["self"]
    other = await asyncpg.connect(settings.database_url.get_secret_value())
    async with other.transaction():
        await other.execute(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        await other.execute("SELECT 1 FROM tags WHERE name = 'huge' FOR UPDATE")
        await other.execute("SELECT 1 FROM images FOR NO KEY UPDATE")
        yield image
    await other.close()


async def test_searches_and_uploads_with_other_tags_go_on(user: Account, changing: str) -> None:
    assert (await upload(user, "small"))["tags"] == ["small"]
    assert [one["links"]["self"] for one in (await read(user.client, "/v1/images", q="huge"))["items"]] == [changing]
    assert (await read(user.client, "/v1/tags/huge"))["images"] == 1


async def test_who_wants_the_tag_is_told_that_it_is_busy(user: Account, changing: str) -> None:
    answer = await user.client.post("/v1/images", files={"image": ("a.png", png())}, data={"tags": "huge"})
    assert told(answer) == BUSY
    assert "retry-after" in answer.headers
    assert (await read(user.client, "/v1/images"))["items"][0]["links"]["self"] == changing


async def test_who_wants_the_image_is_told_that_it_is_busy(user: Account, changing: str) -> None:
    assert told(await user.client.patch(changing, json={"visibility": "private"})) == BUSY
    assert told(await user.client.put(f"{changing}/tags", json={"tags": ["small"]})) == BUSY
    assert told(await user.client.delete(changing)) == BUSY


@pytest.mark.usefixtures("changing")
async def test_who_wants_the_vocabulary_is_told_that_it_is_busy(admin: Account) -> None:
    assert told(await admin.client.patch("/v1/tags/huge", json={"name": "vast"})) == BUSY


@pytest.mark.usefixtures("changing")
async def test_the_counts_of_other_tags_are_folded(user: Account, sql: asyncpg.Connection) -> None:
    await upload(user, "small")
    async with asyncio.timeout(60):
        while await sql.fetchval("SELECT images FROM tags WHERE name = 'small'") != 1:
            await asyncio.sleep(0.05)
    assert (await read(user.client, "/v1/tags/small"))["images"] == 1
