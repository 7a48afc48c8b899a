"""A state machine over a whole collection: tags, privacy, trash, bulk changes and reverts, as each viewer sees them."""

import uuid
from typing import Any, ClassVar

import asyncpg
import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from redis.asyncio import Redis

from app.audit.audit_log import SERVICE, AuditLog
from app.core.settings import Settings
from app.db.database import Database
from app.images.trash.purge import TrashPurge
from tests.history.test_history_machine import (
    ACCEPTED,
    ADMIN,
    REFUSED,
    TAGS,
    HistoryMachine,
    MakeAccount,
    accounts,
    actors,
    numbers,
    redis,
    run_machine,
)
from tests.support.accounts import Account

__all__ = ["accounts", "redis"]
some_images = st.lists(numbers, min_size=1, max_size=3, unique=True)
visibilities = st.sampled_from(["public", "private"])
EVENTS_OF_STRANGERS = """
SELECT count(*) FROM audit_events
WHERE action NOT LIKE 'images.%' AND action <> 'account.delete' AND actor NOT IN (SELECT id FROM users WHERE is_admin)
"""
EXPLICIT = "SELECT tag FROM tagged WHERE image = ANY($1) AND is_explicit"
NAME_OF_TAG = """
SELECT coalesce(t.name, a.name) FROM tags a LEFT JOIN tags t ON t.id = a.alias_of WHERE a.name = $1
"""


class CollectionMachine(HistoryMachine):
    """Adds the operations on images to those on tags."""

    purge: ClassVar[TrashPurge]

    @rule(actor=actors, number=numbers, visibility=visibilities)
    def change_visibility(self, actor: int, number: int, visibility: str) -> None:
        self.request(actor, "PATCH", self.image(number), visibility=visibility)

    @rule(actor=actors, chosen=some_images, action=st.sampled_from(["delete", "restore"]))
    def change_in_bulk(self, actor: int, chosen: list[int], action: str) -> None:
        ids = sorted({self.image(number).rpartition("/")[2] for number in chosen})
        self.run(self._change_in_bulk(actor, {"action": action, "ids": ids}))

    @rule(actor=actors, visibility=visibilities, tag=st.sampled_from(TAGS))
    def publish_in_bulk(self, actor: int, visibility: str, tag: str) -> None:
        body = {"action": "set_visibility", "q": tag, "visibility": visibility}
        self.run(self._change_in_bulk(actor, body))

    @rule(actor=actors, chosen=st.lists(numbers, min_size=2, max_size=4, unique=True))
    def merge_images(self, actor: int, chosen: list[int]) -> None:
        keep, *others = dict.fromkeys(self.image(number).rpartition("/")[2] for number in chosen)
        if others:
            self.run(self._merge_images(actor, {"keep": keep, "others": others}))

    @rule(actor=actors, number=numbers)
    def delete_from_trash(self, actor: int, number: int) -> None:
        self.request(actor, "DELETE", self.image(number).replace("/images/", "/trash/"))

    @rule(number=numbers)
    def purge_one(self, number: int) -> None:
        self.run(self._purge(self.image(number).rpartition("/")[2]))

    def teardown(self) -> None:
        super().teardown()
        if getattr(self, "steps", None):
            self.run(self._compare_views())

    async def _change_in_bulk(self, actor: int, body: dict[str, Any]) -> None:
        """Change images in bulk; a dry run before has the same result."""
        account = self.accounts[actor]
        planned = await account.client.post("/v1/images/bulk", json={**body, "dry_run": True})
        done = await account.client.post("/v1/images/bulk", json=body)
        assert planned.status_code == done.status_code, (body, planned.text, done.text)
        assert done.status_code in (*ACCEPTED, *REFUSED), (body, done.text)
        if done.status_code == httpx.codes.OK:
            assert planned.json() | {"batch": done.json()["batch"]} == done.json(), body
        await self._note(None)

    async def _merge_images(self, actor: int, body: dict[str, Any]) -> None:
        """Merge images; the kept one has the tags of all, the others are in the trash. A repetition is 404."""
        client, path = self.accounts[actor].client, "/v1/images/duplicates/merge"
        ids = [uuid.UUID(one) for one in (body["keep"], *body["others"])]
        tags = {row["tag"] for row in await self.sql.fetch(EXPLICIT, ids)}
        planned = await client.post(path, json={**body, "dry_run": True})
        done = await client.post(path, json=body)
        assert planned.status_code == done.status_code, (body, planned.text, done.text)
        assert done.status_code in (200, 403, 404), (body, done.text)
        batch = None
        if done.status_code == httpx.codes.OK:
            batch = done.json()["batch"]
            assert planned.json()["changed"] == done.json()["changed"]
            assert {row["tag"] for row in await self.sql.fetch(EXPLICIT, ids[:1])} == tags
            trashed = await self.sql.fetch("SELECT id FROM trashed_images WHERE batch = $1", uuid.UUID(batch))
            assert {row["id"] for row in trashed} == set(ids[1:])
            assert (await client.post(path, json=body)).status_code == 404
        await self._note(batch)

    async def _purge(self, image: str) -> None:
        expire = "UPDATE trashed_images SET trashed_at = now() - interval '31 days' WHERE id = $1"
        is_trashed = await self.sql.execute(expire, uuid.UUID(image)) == "UPDATE 1"
        assert await self.purge.purge() == is_trashed

    async def _compare_views(self) -> None:
        """Compare the lists of each viewer with the rows."""
        anonymous = httpx.AsyncClient(base_url=self.accounts[ADMIN].client.base_url)
        async with anonymous:
            for account in (*self.accounts, None):
                client = account.client if account else anonymous
                sees_all, owner = account is self.accounts[ADMIN], account.id if account else None
                await self._compare_images(client, owner, sees_all=sees_all)
                if account:
                    await self._compare_trash(client, account.id, sees_all=sees_all)
        assert await self.sql.fetchval(EVENTS_OF_STRANGERS) == 0

    async def _compare_images(self, client: httpx.AsyncClient, owner: uuid.UUID | None, *, sees_all: bool) -> None:
        rows = await self.sql.fetch(
            "SELECT id, ARRAY(SELECT name FROM tagged JOIN tags ON tags.id = tag WHERE image = images.id) AS tags "
            "FROM images WHERE $1 OR visibility = 'public' OR uploaded_by = $2",
            sees_all,
            owner,
        )
        for query in ("", *TAGS[:2]):
            known = await self.sql.fetchval(NAME_OF_TAG, query)
            wanted = {str(row["id"]): sorted(row["tags"]) for row in rows if not query or known in row["tags"]}
            page = (await client.get("/v1/images", params={"q": query, "count": "exact", "limit": 100})).json()
            assert {one["id"]: one["tags"] for one in page["items"]} == wanted, (query, owner)
            assert page["total"] == len(wanted), (query, owner)

    async def _compare_trash(self, client: httpx.AsyncClient, owner: uuid.UUID, *, sees_all: bool) -> None:
        rows = await self.sql.fetch("SELECT id FROM trashed_images WHERE $1 OR uploaded_by = $2", sees_all, owner)
        page = (await client.get("/v1/trash", params={"limit": 100})).json()
        assert {one["id"] for one in page["items"]} == {str(row["id"]) for row in rows}


@pytest.fixture
def machine(database: Database, settings: Settings) -> type[CollectionMachine]:
    """The machine, with a purge of the worker's trash."""
    CollectionMachine.purge = TrashPurge(database, settings, AuditLog(SERVICE, lambda _record: None))
    return CollectionMachine


async def test_every_viewer_sees_what_the_rows_say_after_any_sequence(
    machine: type[CollectionMachine],
    accounts: list[Account],
    make_account: MakeAccount,
    sql: asyncpg.Connection,
    redis: Redis,
) -> None:
    await run_machine(accounts, make_account, sql, redis, 2, 25, machine=machine)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_every_viewer_sees_what_the_rows_say_after_many_sequences(
    machine: type[CollectionMachine],
    accounts: list[Account],
    make_account: MakeAccount,
    sql: asyncpg.Connection,
    redis: Redis,
) -> None:
    await run_machine(accounts, make_account, sql, redis, 100, 50, machine=machine)
