"""Any sequence of uploads, deletions, restores and purges loses no object, leaves none behind and keeps all counts.

Two users and an admin act one after the other, where each response and the rows are predicted, or at once. Then several
tasks act without waiting for each other.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.audit.audit_log import SERVICE, AuditLog
from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.consistency_check import ConsistencyCheck
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.images.trash.purge import TrashPurge
from app.images.upload.usage_compaction import StorageUsageCompactor
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.planning import cost_model
from app.storage.object_store import ObjectStore
from app.tags.count_compaction import TagCountCompactor
from tests.history.replay import assert_replayable
from tests.support.accounts import Account
from tests.support.photos import png
from tests.tags.helpers import assert_consistent, read

pytestmark = pytest.mark.integration

NAMES = ("a.png", "b.png", "c.png")
TAGS = ("cat", "dog")
ADMIN = 2
ROWS = """
    SELECT id, name, uploaded_by, visibility, false AS in_trash,
        ARRAY(
            SELECT name::text FROM tagged JOIN tags ON tags.id = tag WHERE image = i.id AND is_explicit ORDER BY 1
        ) AS tags
    FROM images i
    UNION ALL SELECT id, name, uploaded_by, visibility, true,
        ARRAY(
            SELECT name::text FROM trashed_tags JOIN tags ON tags.id = tag WHERE image = i.id AND is_explicit ORDER BY 1
        )
    FROM trashed_images i"""
MakeAccount = Callable[..., Awaitable[Account]]


@dataclass(frozen=True)
class Row:
    """An image, in or out of the trash."""

    name: str
    owner: uuid.UUID | None
    is_private: bool
    in_trash: bool
    tags: tuple[str, ...]


Rows = dict[uuid.UUID, Row]


@dataclass(frozen=True)
class Operation:
    """A request of one of the accounts, or a purge. `target` chooses the image; `flag` has a meaning for each kind."""

    kind: str
    account: int
    target: int
    name: str
    tags: tuple[str, ...]
    flag: bool


KINDS = (
    *("upload", "upload", "upload", "delete", "delete", "restore", "restore"),
    *("erase", "delete all", "restore all", "show all", "purge", "leave"),
)
OPERATIONS = st.builds(
    Operation,
    kind=st.sampled_from(KINDS),
    account=st.integers(0, ADMIN),
    target=st.integers(0, 5),
    name=st.sampled_from(NAMES),
    tags=st.lists(st.sampled_from(TAGS), unique=True).map(lambda tags: tuple(sorted(tags))),
    flag=st.booleans(),
)


@dataclass
class World:
    """The service, its backends and the accounts."""

    settings: Settings
    database: Database
    object_store: ObjectStore
    sql: asyncpg.Connection
    make_account: MakeAccount
    accounts: list[Account]
    # The plain connection serves one task at a time.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def rows(self) -> Rows:
        async with self.turn:
            rows = await self.sql.fetch(ROWS)
        return {
            row["id"]: Row(
                row["name"], row["uploaded_by"], row["visibility"] == "private", row["in_trash"], tuple(row["tags"])
            )
            for row in rows
        }

    async def send(self, operation: Operation, rows: Rows) -> httpx.Response:
        """Send the request of an operation."""
        method, path, arguments = self._request(operation, rows)
        # Several tasks on a loaded machine are slow.
        return await self.accounts[operation.account].client.request(method, path, timeout=60, **arguments)

    def _request(self, operation: Operation, rows: Rows) -> tuple[str, str, dict[str, Any]]:
        image, visibility = choose(operation, rows), "private" if operation.flag else "public"
        bulk: dict[str, Any] = {}
        match operation.kind:
            case "upload":
                form = {"tags": list(operation.tags), "visibility": visibility}
                return "POST", "/v1/images", {"files": {"image": (operation.name, png())}, "data": form}
            case "delete":
                return "DELETE", f"/v1/images/{image}", {"params": {"permanent": operation.flag}}
            case "restore":
                body = {"name": operation.name} if operation.flag else {}
                return "POST", f"/v1/trash/{image}/restore", {"json": body}
            case "erase":
                return "DELETE", f"/v1/trash/{image}", {}
            case "leave":
                # The admin deletes the account of the first user.
                path = f"/v1/users/{self.accounts[0].id}" if operation.account == ADMIN else "/v1/users/me"
                return "DELETE", path, {"params": {"images": "delete" if operation.flag else "keep"}}
            case "delete all":
                bulk = {"q": "*", "action": "delete"}
            case "restore all":
                ids = [str(one) for one, row in rows.items() if row.in_trash]
                bulk = {"ids": ids, "action": "restore"}
            case "show all":
                bulk = {"q": "*", "action": "set_visibility", "visibility": visibility}
        return "POST", "/v1/images/bulk", {"json": bulk}

    async def expire(self, image: uuid.UUID) -> None:
        async with self.turn:
            await self.sql.execute(
                "UPDATE trashed_images SET trashed_at = now() - interval '31 days' WHERE id = $1", image
            )

    async def purge(self) -> None:
        await TrashPurge(self.database, self.settings, AuditLog(SERVICE, lambda _record: None)).purge()

    async def replace_deleted_accounts(self) -> None:
        async with self.turn:
            left = {row["id"] for row in await self.sql.fetch("SELECT id FROM users")}
            for number, account in enumerate(self.accounts):
                if account.id not in left:
                    self.accounts[number] = await self.make_account()

    async def assert_all_holds(self) -> None:
        """Compare usage, counts and objects with a recount, and read every image."""
        rows, size = await self.rows(), len(png())
        for account in self.accounts:
            usage = await read(account.client, "/v1/users/me/usage")
            live = sum(row.owner == account.id and not row.in_trash for row in rows.values())
            trashed = sum(row.owner == account.id and row.in_trash for row in rows.values())
            assert (usage["images"], usage["bytes"], usage["uploading_bytes"]) == (live, live * size, 0)
            assert (usage["trashed_images"], usage["trashed_bytes"]) == (trashed, trashed * size)
        await assert_consistent(self.accounts[ADMIN].client, self.sql)
        await BitmapIndexUpdater(self.database, 1).update()
        await TagCountCompactor(self.database, 1).compact()
        await StorageUsageCompactor(self.database).compact()
        await assert_consistent(self.accounts[ADMIN].client, self.sql)
        await assert_replayable(self.sql)
        hashed = await self.sql.fetch("SELECT image_id FROM image_hashes")
        assert {row["image_id"] for row in hashed} == rows.keys()
        await self.assert_objects(len(rows))

    async def assert_objects(self, images: int) -> None:
        """Sweep, then assert that each image has its object, and each object its image."""
        await self.sql.execute("UPDATE orphaned_objects SET orphaned_at = orphaned_at - interval '1 day'")
        await OrphanSweeper(self.database, self.object_store, self.settings).sweep()
        at_once = self.settings.model_copy(update={"orphan_grace_seconds": 0})
        report = await ConsistencyCheck(self.database, self.object_store, at_once).run(dry_run=True, digests=True)
        assert (report.damaged, report.orphans) == ([], [])
        assert (report.images, report.objects) == (images, images)
        assert await self.sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0

    async def clear(self) -> None:
        """Delete every image by the trash and the purge: nothing is left."""
        await self.accounts[ADMIN].client.post("/v1/images/bulk", json={"q": "*", "action": "delete"})
        await self.sql.execute("UPDATE trashed_images SET trashed_at = now() - interval '31 days'")
        await self.purge()
        assert await self.rows() == {}
        assert await self.sql.fetchval("SELECT count(*) FROM trashed_tags") == 0
        await self.assert_objects(0)
        await BitmapIndexUpdater(self.database, 1).update()
        assert await self.sql.fetchval("SELECT count(*) FROM bitmap_ordinals") == 0


def choose(operation: Operation, rows: Rows) -> uuid.UUID:
    return sorted(rows)[operation.target % len(rows)] if rows else uuid.UUID(int=0)


class Prediction:
    """The response and the rows after an operation."""

    def __init__(self, operation: Operation, rows: Rows, accounts: list[Account]) -> None:
        self.operation, self.rows = operation, rows
        self.account = accounts[operation.account].id
        self.leaver = accounts[0].id if operation.account == ADMIN else self.account
        self.image = choose(operation, rows)
        self.row = rows.get(self.image)
        self.names = {row.name for row in rows.values() if not row.in_trash}

    def may_change(self, row: Row) -> bool:
        return self.operation.account == ADMIN or row.owner == self.account

    def status(self) -> int:
        match self.operation.kind:
            case "upload":
                return 409 if self.operation.name in self.names else 201
            case "delete":
                return self._status_of_deletion(self.row)
            case "restore" | "erase":
                return self._status_in_trash(self.row)
        return 204 if self.operation.kind == "leave" else 200

    def _status_of_deletion(self, row: Row | None) -> int:
        if row is None or row.in_trash or (row.is_private and not self.may_change(row)):
            return 404
        return 204 if self.may_change(row) else 403

    def _status_in_trash(self, row: Row | None) -> int:
        if row is None or not row.in_trash or not self.may_change(row):
            return 404
        if self.operation.kind == "erase":
            return 204
        return 409 if self._restored_name(row) in self.names else 200

    def _restored_name(self, row: Row) -> str:
        return self.operation.name if self.operation.flag else row.name

    def rows_after(self, response: httpx.Response | None) -> Rows:
        """Return the rows after a response with the predicted status; None stands for a purge."""
        if response is not None and response.is_error:
            return self.rows
        body = response.json() if response is not None and response.content else {}
        if self.operation.kind == "upload":
            new = Row(self.operation.name, self.account, self.operation.flag, in_trash=False, tags=self.operation.tags)
            return {**self.rows, uuid.UUID(body["id"]): new}
        skipped = {uuid.UUID(one["id"]) for one in body.get("skipped", ())}
        changed = {image: self._changed(image, row) for image, row in self.rows.items() if image not in skipped}
        after = {image: row for image, row in changed.items() if row is not None}
        live = {row.name for row in after.values() if not row.in_trash}
        assert {self.rows[image].name for image in skipped} <= live
        return {**after, **{image: self.rows[image] for image in skipped}}

    def _changed(self, image: uuid.UUID, row: Row) -> Row | None:
        if self.operation.kind.endswith(" all"):
            return self._changed_by_all(row) if self.may_change(row) else row
        if self.operation.kind == "leave":
            is_deleted = row.in_trash or self.operation.flag
            return row if row.owner != self.leaver else None if is_deleted else replace(row, owner=None)
        return self._changed_alone(row) if image == self.image else row

    def _changed_alone(self, row: Row) -> Row | None:
        match self.operation.kind:
            case "delete" if not self.operation.flag:
                return replace(row, in_trash=True)
            case "restore":
                return replace(row, in_trash=False, name=self._restored_name(row))
            case "purge" if not row.in_trash:
                return row
        return None

    def _changed_by_all(self, row: Row) -> Row:
        if self.operation.kind == "show all" and not row.in_trash:
            return replace(row, is_private=self.operation.flag)
        is_moved = self.operation.kind == ("restore all" if row.in_trash else "delete all")
        return replace(row, in_trash=not row.in_trash) if is_moved else row


class TrashMachine(RuleBasedStateMachine):
    """Runs operations in the event loop of the tests; Hypothesis runs in a thread."""

    world: ClassVar[World]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    @initialize(operations=st.lists(OPERATIONS, min_size=1, max_size=3))
    def begin(self, operations: list[Operation]) -> None:
        for number, operation in enumerate(operations):
            self.one(replace(operation, kind="upload", account=number % 2))

    @rule(operation=OPERATIONS)
    def one(self, operation: Operation) -> None:
        self.run(self._one(operation))

    @rule(operations=st.lists(OPERATIONS, min_size=2, max_size=5))
    def together(self, operations: list[Operation]) -> None:
        self.run(self._together(operations))

    def teardown(self) -> None:
        self.run(self.world.assert_all_holds())
        self.run(self.world.clear())

    async def _one(self, operation: Operation) -> None:
        rows = await self.world.rows()
        prediction = Prediction(operation, rows, self.world.accounts)
        if operation.kind == "purge":
            await self.world.expire(choose(operation, rows))
            await self.world.purge()
            response = None
        else:
            response = await self.world.send(operation, rows)
            assert response.status_code == prediction.status(), response.text
        assert await self.world.rows() == prediction.rows_after(response)
        await self.world.replace_deleted_accounts()

    async def _together(self, operations: list[Operation]) -> None:
        rows = await self.world.rows()
        purges = [one for one in operations if one.kind == "purge"]
        for one in purges:
            await self.world.expire(choose(one, rows))
        running = [asyncio.create_task(self.world.purge()) for _ in purges]
        requests = [self.world.send(one, rows) for one in operations if one.kind != "purge"]
        responses = await asyncio.gather(*requests)
        await asyncio.gather(*running)
        assert [one.text for one in responses if one.is_server_error] == []
        await self.world.replace_deleted_accounts()


@pytest.mark.parametrize(
    ("sequences", "steps"), [(5, 6), pytest.param(60, 40, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
async def test_no_object_is_lost_or_left_behind(
    sequences: int,
    steps: int,
    settings: Settings,
    database: Database,
    empty_bucket: ObjectStore,
    sql: asyncpg.Connection,
    admin: Account,
    make_account: MakeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 2)
    accounts = [await make_account(), await make_account(), admin]
    world = World(settings, database, empty_bucket, sql, make_account, accounts)
    machine = type("Machine", (TrashMachine,), {"world": world, "loop": asyncio.get_running_loop()})
    profile = hypothesis_settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # A shorter sequence is not worth minutes, and concurrent requests do not fail twice in the same way.
        phases=[Phase.generate],
        database=None,
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=profile)


async def change_at_random(world: World, choices: random.Random, operations: int) -> list[str]:
    """Send random operations one after the other; return the responses with a server error."""
    failures = []
    for _ in range(operations):
        one = Operation(
            choices.choice([kind for kind in KINDS if kind != "purge"]),
            choices.randrange(ADMIN + 1),
            choices.randrange(6),
            choices.choice(NAMES),
            tuple(sorted(choices.sample(TAGS, choices.randrange(3)))),
            choices.random() < 0.5,
        )
        response = await world.send(one, await world.rows())
        failures += [response.text] if response.is_server_error else []
        await world.replace_deleted_accounts()
    return failures


async def clean_at_random(world: World, choices: random.Random, done: asyncio.Event) -> None:
    """Expire and purge images, and sweep orphaned objects, while others upload, delete and restore."""
    while not done.is_set():
        if rows := await world.rows():
            await world.expire(choices.choice(sorted(rows)))
        await world.purge()
        await OrphanSweeper(world.database, world.object_store, world.settings).sweep()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("operations", [4, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
async def test_changes_of_the_same_images_at_once_lose_no_object_and_leave_none(
    operations: int,
    settings: Settings,
    database: Database,
    empty_bucket: ObjectStore,
    sql: asyncpg.Connection,
    admin: Account,
    make_account: MakeAccount,
) -> None:
    accounts = [await make_account(), await make_account(), admin]
    world = World(settings, database, empty_bucket, sql, make_account, accounts)
    seed = random.randrange(2**32)
    done = asyncio.Event()
    cleaning = asyncio.create_task(clean_at_random(world, random.Random(seed), done))
    workers = (change_at_random(world, random.Random(seed + number), operations) for number in range(1, 7))
    try:
        failures = await asyncio.gather(*workers)
    finally:
        done.set()
        await cleaning
    assert [text for texts in failures for text in texts] == [], seed
    await world.assert_all_holds()
    await world.clear()
