"""After any sequence of operations, counts, `tag_ids`, implied tags and bitmaps equal a recount."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.db.database import Database
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.planning import cost_model
from app.tags.count_compaction import TagCountCompactor
from tests.support.accounts import Account
from tests.tags.helpers import assert_consistent, upload

pytestmark = pytest.mark.integration

TAGS = ["cat", "dog", "pet", "animal", "tabby", "kitty"]
STEPS = 40
FINE = (200, 201, 204, 404, 409, 422)
Step = Callable[[], Awaitable[Any]]


class Machine:
    """Performs random operations one after the other. The service refuses invalid ones, and no response is a 500."""

    def __init__(self, seed: int, user: Account, admin: Account, sql: asyncpg.Connection, database: Database) -> None:
        self.dice = random.Random(seed)
        self.user, self.admin, self.sql = user, admin, sql
        self.folder = TagCountCompactor(database, 1)
        self.bitmaps = BitmapIndexUpdater(database, 1)
        self.steps: list[Step] = [
            *(self.upload, self.replace, self.add, self.take, self.remove, self.bulk, self.show),
            *(self.imply, self.imply, self.alias, self.merge, self.rename, self.delete),
            *(self.folder.compact, self.bitmaps.update, self.bitmaps.update),
        ]

    def some(self) -> list[str]:
        return self.dice.sample(TAGS, self.dice.randint(0, 3))

    def one(self) -> str:
        return self.dice.choice(TAGS)

    async def image(self) -> str:
        found = await self.sql.fetch("SELECT id FROM images ORDER BY id")
        return f"/v1/images/{self.dice.choice(found)['id'] if found else '00000000-0000-1000-8000-000000000000'}"

    async def call(self, account: Account, method: str, path: str, **body: Any) -> httpx.Response:
        response = await account.client.request(method, path, json=body or None)
        assert response.status_code in FINE, (method, path, body, response.text)
        return response

    async def upload(self) -> None:
        await upload(self.user, *self.some(), visibility=self.dice.choice(["public", "private"]))

    async def replace(self) -> None:
        await self.call(self.user, "PUT", f"{await self.image()}/tags", tags=self.some())

    async def add(self) -> None:
        await self.call(self.user, "POST", f"{await self.image()}/tags", tags=self.some())

    async def take(self) -> None:
        await self.call(self.user, "DELETE", f"{await self.image()}/tags/{self.one()}")

    async def remove(self) -> None:
        await self.call(self.user, "DELETE", await self.image())

    async def bulk(self) -> None:
        add, remove = self.one(), self.one()
        await self.call(self.admin, "POST", "/v1/images/tags", q=f"-{self.one()}", add=[add], remove=[remove])

    async def show(self) -> None:
        await self.call(self.user, "PATCH", await self.image(), visibility=self.dice.choice(["public", "private"]))

    async def imply(self) -> None:
        await self.call(self.admin, "PUT", f"/v1/tags/{self.one()}/implications", implies=self.some())

    async def alias(self) -> None:
        await self.call(self.admin, "PUT", f"/v1/tags/{self.one()}/aliases", aliases=self.some())

    async def merge(self) -> None:
        await self.call(self.admin, "POST", f"/v1/tags/{self.one()}/merge", into=self.one())

    async def rename(self) -> None:
        await self.call(self.admin, "PATCH", f"/v1/tags/{self.one()}", name=self.one())

    async def delete(self) -> None:
        await self.call(self.admin, "DELETE", f"/v1/tags/{self.one()}")


@pytest.mark.parametrize("seed", range(4))
async def test_counts_shadow_and_implications_hold_after_any_sequence(
    seed: int,
    user: Account,
    admin: Account,
    sql: asyncpg.Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 3)
    machine = Machine(seed, user, admin, sql, database)
    for _ in range(6):
        await machine.upload()
    for number in range(STEPS):
        await machine.dice.choice(machine.steps)()
        if number % 5 == 0:
            await assert_consistent(admin.client, sql)
    await user.client.delete("/v1/users/me")
    await sql.execute("DELETE FROM users WHERE id = $1", user.id)
    await assert_consistent(admin.client, sql)
    await machine.bitmaps.update()
    await assert_consistent(admin.client, sql)
