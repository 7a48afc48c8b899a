"""A state machine over all operations on tags, with reverts: replays, conflicts and identities hold after each step."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ClassVar, NamedTuple

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis

from app.models import Image
from tests.history.replay import replay
from tests.support.accounts import Account
from tests.tags.helpers import assert_consistent, upload

pytestmark = pytest.mark.integration

TAGS = ["cat", "dog", "pet", "animal", "kitty"]
ACCEPTED = (200, 201, 204)
REFUSED = (403, 404, 409, 422)
ADMIN = 2
KEPT = {"users", "user_sessions", "cache_state"}
Pair = tuple[Any, int]
VOCABULARY = (
    "SELECT image, name FROM tagged JOIN tags ON tags.id = tag WHERE is_explicit ORDER BY 1, 2",
    "SELECT id, name, alias_of FROM tags ORDER BY 1",
    "SELECT tag_id, implied_tag_id FROM tag_implications ORDER BY 1, 2",
)
MakeAccount = Callable[..., Coroutine[Any, Any, Account]]

some_tags = st.lists(st.sampled_from(TAGS), max_size=2, unique=True)
one_tag = st.sampled_from(TAGS)
users = st.integers(0, 1)
actors = st.integers(0, 2)
numbers = st.integers(0, 3)


class Step(NamedTuple):
    """The explicit tags that one request added and removed."""

    changes: dict[Pair, bool]
    batch: str | None
    is_revert: bool


class HistoryMachine(RuleBasedStateMachine):
    """Runs the requests of two users and an admin on the event loop of the tests."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    accounts: ClassVar[list[Account]]
    make_account: ClassVar[MakeAccount]
    sql: ClassVar[asyncpg.Connection]
    redis: ClassVar[Redis]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    @initialize()
    def empty(self) -> None:
        self.state: dict[Any, set[int]] = {}
        self.steps: list[Step] = []
        self.images: list[str] = []
        self.run(self._empty())

    async def _empty(self) -> None:
        tables = ", ".join(set(Image.metadata.tables) - KEPT)
        await self.sql.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        await self.redis.flushdb()
        for account in self.accounts[:2]:
            for tags in (["cat"], ["kitty", "dog"]):
                await self._upload(account, tags, "public")
        await self._note(None)

    @rule(owner=users, tags=some_tags, visibility=st.sampled_from(["public", "private"]))
    def upload(self, owner: int, tags: list[str], visibility: str) -> None:
        self.run(self._upload(self.accounts[owner], tags, visibility))
        self.note()

    @rule(actor=actors, number=numbers, tags=some_tags)
    def add(self, actor: int, number: int, tags: list[str]) -> None:
        self.request(actor, "POST", f"{self.image(number)}/tags", tags=tags)

    @rule(actor=actors, number=numbers, tags=some_tags)
    def replace(self, actor: int, number: int, tags: list[str]) -> None:
        self.request(actor, "PUT", f"{self.image(number)}/tags", tags=tags)

    @rule(actor=actors, number=numbers, tag=one_tag)
    def remove(self, actor: int, number: int, tag: str) -> None:
        self.request(actor, "DELETE", f"{self.image(number)}/tags/{tag}")

    @rule(actor=actors, add=some_tags, remove=some_tags)
    def edit_in_bulk(self, actor: int, add: list[str], remove: list[str]) -> None:
        self.request(actor, "POST", "/v1/images/tags", q="*", add=add, remove=remove)

    @rule(tag=one_tag, tags=some_tags)
    def imply(self, tag: str, tags: list[str]) -> None:
        self.request(ADMIN, "PUT", f"/v1/tags/{tag}/implications", implies=tags)

    @rule(tag=one_tag, tags=some_tags)
    def alias(self, tag: str, tags: list[str]) -> None:
        self.request(ADMIN, "PUT", f"/v1/tags/{tag}/aliases", aliases=tags)

    @rule(actor=actors, number=numbers)
    def delete_image(self, actor: int, number: int) -> None:
        self.request(actor, "DELETE", self.image(number))

    @rule(actor=actors, number=numbers)
    def restore_image(self, actor: int, number: int) -> None:
        path = self.image(number).replace("/images/", "/trash/")
        self.request(actor, "POST", f"{path}/restore")

    @rule(user=users, images=st.sampled_from(["keep", "delete"]))
    def leave(self, user: int, images: str) -> None:
        """Delete an account. Another one takes its place."""
        left = self.request(user, "DELETE", f"/v1/users/me?images={images}")
        assert left.status_code == 204, left.text
        self.accounts[user] = self.run(self.make_account())

    @rule(tag=one_tag, other=one_tag, is_reverted=st.booleans())
    def merge(self, tag: str, other: str, is_reverted: bool) -> None:
        self.operate("POST", f"/v1/tags/{tag}/merge", is_reverted=is_reverted, into=other)

    @rule(tag=one_tag, other=one_tag, is_reverted=st.booleans())
    def rename(self, tag: str, other: str, is_reverted: bool) -> None:
        self.operate("PATCH", f"/v1/tags/{tag}", is_reverted=is_reverted, name=other)

    @rule(tag=one_tag, is_reverted=st.booleans())
    def delete(self, tag: str, is_reverted: bool) -> None:
        self.operate("DELETE", f"/v1/tags/{tag}", is_reverted=is_reverted)

    @rule(actor=actors, number=numbers)
    def revert(self, actor: int, number: int) -> None:
        """Revert one of the last changes that have a batch, and compare the result with the steps since."""
        batches = [(place, step) for place, step in enumerate(self.steps) if step.batch and step.changes]
        if batches:
            place, step = batches[-1 - number % len(batches)]
            self.run(self._revert(actor, step, self.steps[place + 1 :]))

    @invariant()
    def events_give_the_tags(self) -> None:
        if getattr(self, "steps", None):
            self.run(self._compare_replay())

    def teardown(self) -> None:
        if getattr(self, "steps", None):
            self.run(assert_consistent(self.accounts[ADMIN].client, self.sql))

    def image(self, number: int) -> str:
        return f"/v1/images/{self.images[number % len(self.images)]}"

    def note(self) -> None:
        self.run(self._note(None))

    def request(self, actor: int, method: str, path: str, **body: Any) -> httpx.Response:
        response: httpx.Response = self.run(self._request(self.accounts[actor], method, path, body))
        return response

    def operate(self, method: str, path: str, *, is_reverted: bool, **body: Any) -> None:
        self.run(self._operate(method, path, body, is_reverted=is_reverted))

    async def _upload(self, account: Account, tags: list[str], visibility: str) -> None:
        self.images.append((await upload(account, *tags, visibility=visibility))["id"])

    async def _request(self, account: Account, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        answer = await account.client.request(method, path, json=body or None)
        assert answer.status_code in (*ACCEPTED, *REFUSED), (method, path, body, answer.text)
        is_revert = path == "/v1/history/revert"
        batch = answer.json().get("batch") if answer.status_code == 200 and answer.content else None
        await self._note(None if method == "POST" and path.startswith("/v1/tags/") else batch, is_revert=is_revert)
        return answer

    async def _explicit(self) -> dict[Any, set[int]]:
        state: dict[Any, set[int]] = {row["id"]: set() for row in await self.sql.fetch("SELECT id FROM images")}
        for row in await self.sql.fetch("SELECT image, tag FROM tagged WHERE is_explicit"):
            state[row["image"]].add(row["tag"])
        return state

    async def _note(self, batch: str | None, *, is_revert: bool = False) -> None:
        """Append the step that leads to the current tags. An image in the trash keeps its last known ones."""
        changes: dict[Pair, bool] = {}
        for image, tags in (await self._explicit()).items():
            known = self.state.get(image, set())
            changes |= {(image, tag): True for tag in tags - known} | {(image, tag): False for tag in known - tags}
            self.state[image] = tags
        self.steps.append(Step(changes, batch, is_revert))

    async def _operate(self, method: str, path: str, body: dict[str, Any], *, is_reverted: bool) -> None:
        """Change a tag, and revert that right away, which restores all tags, aliases and implications."""
        before = [await self.sql.fetch(part) for part in VOCABULARY]
        known = {row["id"] for row in await self.sql.fetch("SELECT id FROM tag_operations")}
        await self._request(self.accounts[ADMIN], method, path, body)
        # The name of an alias is deleted without an operation.
        for row in await self.sql.fetch("SELECT id FROM tag_operations WHERE id <> ALL($1)", known):
            if is_reverted:
                request = {"batch": str(row["id"])}
                reverted = await self._request(self.accounts[ADMIN], "POST", "/v1/history/revert", request)
                assert reverted.json()["conflicts"] == reverted.json()["unrestored"] == []
                assert [await self.sql.fetch(part) for part in VOCABULARY] == before, (path, body)

    async def _revert(self, actor: int, step: Step, later: list[Step]) -> None:
        account = self.accounts[actor]
        owner = None if actor == ADMIN else account.id
        rows = await self.sql.fetch("SELECT id FROM images WHERE $1::uuid IS NULL OR uploaded_by = $1", owner)
        changeable = {row["id"] for row in rows}
        tags = {
            row["id"]: row["alias_of"] or row["id"] for row in await self.sql.fetch("SELECT id, alias_of FROM tags")
        }
        before = await self._explicit()
        expected = {image: set(explicit) for image, explicit in before.items()}
        conflicts: set[Pair] = set()
        # Removals first: a tag that is removed and returns under its alias stays.
        for (image, tag), is_added in sorted(step.changes.items(), key=lambda change: not change[1]):
            if image not in changeable:
                continue
            changes = [one for one in later if (image, tag) in one.changes]
            since = next(
                (
                    number + 1
                    for number in range(len(changes) - 1, -1, -1)
                    if changes[number].is_revert and changes[number].changes[image, tag] != is_added
                ),
                0,
            )
            if changes[since:]:
                conflicts.add((image, tag))
            elif since == 0 and not is_added and tag not in tags:
                # A deleted tag returns, perhaps under another id.
                expected.pop(image)
            elif since == 0 and not is_added:
                expected.get(image, set()).add(tags[tag])
            elif since == 0:
                expected.get(image, set()).discard(tag)
        answer = await self._request(account, "POST", "/v1/history/revert", {"batch": step.batch})
        assert answer.status_code == 200, answer.text
        ids = [event["id"] for event in answer.json()["conflicts"]]
        events = await self.sql.fetch("SELECT image, tag_id FROM tag_events WHERE id = ANY($1)", ids)
        assert {(event["image"], event["tag_id"]) for event in events} == conflicts
        after = await self._explicit()
        assert {image: after[image] for image in expected} == expected
        again = await self._request(account, "POST", "/v1/history/revert", {"batch": step.batch})
        assert again.json()["changed"] == 0
        pairs = [{(event["image"], event["tag"]) for event in one.json()["conflicts"]} for one in (answer, again)]
        assert pairs[0] == pairs[1]

    async def _compare_replay(self) -> None:
        images = {row["id"] for row in await self.sql.fetch("SELECT id FROM images")}
        rows = await self.sql.fetch("SELECT image, tag, is_explicit FROM tagged")
        replayed = {pair: explicit for pair, explicit in (await replay(self.sql)).items() if pair[0] in images}
        assert replayed == {(row["image"], row["tag"]): row["is_explicit"] for row in rows}


async def run_machine(
    accounts: list[Account],
    make_account: MakeAccount,
    sql: asyncpg.Connection,
    redis: Redis,
    examples: int,
    steps: int,
    machine: type[HistoryMachine] = HistoryMachine,
) -> None:
    """Run a machine in a thread, so that its rules can wait for the event loop."""
    machine.loop, machine.accounts = asyncio.get_running_loop(), accounts
    machine.make_account, machine.sql, machine.redis = staticmethod(make_account), sql, redis
    options = hypothesis_settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=examples < 10,
        # Shrinking takes many minutes with a service.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=options)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the service's Redis."""
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def accounts(make_account: Any) -> list[Account]:
    """Two users and an admin."""
    return [await make_account(), await make_account(), await make_account(is_admin=True)]


async def test_replays_conflicts_and_identities_hold(
    accounts: list[Account], make_account: MakeAccount, sql: asyncpg.Connection, redis: Redis
) -> None:
    await run_machine(accounts, make_account, sql, redis, 4, 25)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_replays_conflicts_and_identities_hold_in_many_sequences(
    accounts: list[Account], make_account: MakeAccount, sql: asyncpg.Connection, redis: Redis
) -> None:
    await run_machine(accounts, make_account, sql, redis, 20, 40)
