"""The audit trail: each administrative action writes one event, in its own transaction."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.audit.audit_log import SERVICE, AuditLog
from app.core.settings import Settings
from app.db.database import Database
from app.models import AuditAction
from app.telemetry.audit_record import AuditRecord
from app.telemetry.mongo_store import RequestLog
from app.telemetry.recording.audit_delivery import MAX_WAITING, AuditDelivery
from tests.audit.trail import Event, read_events, read_records
from tests.support.accounts import Account, add_api_key
from tests.support.server import running_service
from tests.telemetry.records import until

pytestmark = pytest.mark.integration

MakeAccount = Callable[..., Awaitable[Account]]
Step = tuple[str, str, dict[str, Any] | None, Event]
NEW_PASSWORD = "an entirely new one"

# The commit fails, after the event was written.
REFUSAL = """
CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'serialization_failure'; END $$;
CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON audit_events DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.request_id = 'refused') EXECUTE FUNCTION refuse_commit()
"""
NO_REFUSAL = "DROP TRIGGER refuse_commit ON audit_events; DROP FUNCTION refuse_commit()"
STATE = """
SELECT jsonb_agg(to_jsonb(t)) FROM (
    SELECT (SELECT jsonb_agg(u ORDER BY id) FROM users u) AS users,
    (SELECT jsonb_agg(t ORDER BY id) FROM tags t) AS tags,
    (SELECT jsonb_agg(i ORDER BY tag_id, implied_tag_id) FROM tag_implications i) AS implications,
    (SELECT jsonb_agg(i ORDER BY id) FROM invitations i) AS invitations,
    (SELECT jsonb_agg(e ORDER BY at, id) FROM audit_events e) AS events
) AS t
"""


@pytest.fixture
async def refusal(sql: asyncpg.Connection) -> AsyncIterator[None]:
    """The database refuses to commit the events of requests with the id `refused`."""
    await sql.execute(REFUSAL)
    yield
    await sql.execute(NO_REFUSAL)


def steps(user: str, invitation: str) -> list[Step]:
    """Return requests of an admin, each with the event that it writes."""
    account, tag = f"/v1/users/{user}", "/v1/tags/cat"
    code = f"/v1/users/invitations/{invitation}"

    def change(action: str, member: str, old: object, new: object) -> Step:
        return "PATCH", account, {member: new}, Event(f"account.{action}", account, {member: old}, {member: new})

    return [
        change("promote", "is_admin", False, True),
        change("demote", "is_admin", True, False),
        change("set_quota", "quota_bytes", None, 1000),
        change("disable", "disabled", False, True),
        change("enable", "disabled", True, False),
        ("PATCH", account, {"password": NEW_PASSWORD}, Event("account.set_password", account)),
        change("disable", "disabled", False, True),
        ("DELETE", account, None, Event("account.delete", account, None, {"images": "kept"})),
        ("DELETE", code, None, Event("invitation.revoke", code)),
        ("PUT", f"{tag}/aliases", {"aliases": ["tom", "kitty"]}, _aliases(tag, [], ["kitty", "tom"])),
        ("DELETE", "/v1/tags/tom", None, _aliases(tag, ["kitty", "tom"], ["kitty"])),
        (
            *("PUT", f"{tag}/implications", {"implies": ["animal"]}),
            Event("tag.set_implications", tag, {"implies": []}, {"implies": ["animal"]}),
        ),
        (
            *("PATCH", tag, {"name": "house cat"}),
            Event("tag.rename", tag, {"name": "cat"}, {"name": "house cat"}),
        ),
        (
            *("POST", "/v1/tags/dog/merge", {"into": "animal"}),
            Event("tag.merge", "/v1/tags/dog", {"alias_of": None}, {"alias_of": "animal"}),
        ),
        (
            *("DELETE", "/v1/tags/house%20cat", None),
            Event("tag.delete", "/v1/tags/house%20cat", {"aliases": ["kitty"], "implies": ["animal"]}),
        ),
    ]


def _aliases(tag: str, before: list[str], after: list[str]) -> Event:
    return Event("tag.set_aliases", tag, {"aliases": before}, {"aliases": after})


@pytest.mark.usefixtures("refusal")
async def test_each_action_and_its_event_are_committed_together_or_not_at_all(
    admin: Account, user: Account, sql: asyncpg.Connection, settings: Settings
) -> None:
    await admin.client.post("/v1/tags", json={"names": ["cat", "dog", "animal"]})
    created = (await admin.client.post("/v1/users/invitations", json={})).json()
    [event] = await read_events(sql)
    assert event.action == "invitation.create"
    expected = [event]
    for number, (method, path, body, wanted) in enumerate(steps(str(user.id), created["id"])):
        before = await sql.fetchval(STATE)
        refused = await admin.client.request(method, path, json=body, headers={"X-Request-ID": "refused"})
        assert refused.status_code == 503, (method, path, refused.text)
        assert await sql.fetchval(STATE) == before, (method, path)
        accepted = await admin.client.request(method, path, json=body, headers={"X-Request-ID": f"step-{number}"})
        assert accepted.is_success, (method, path, accepted.text)
        expected.append(wanted)
        assert await read_events(sql) == expected
    rows = await sql.fetch("SELECT id, actor, credential, request_id FROM audit_events ORDER BY at OFFSET 1")
    assert {(row["actor"], row["credential"]) for row in rows} == {(admin.id, str(admin.session_id))}
    assert [row["request_id"] for row in rows] == [f"step-{number}" for number in range(len(rows))]
    await until(lambda: str(rows[-1]["id"]) in read_records(settings))
    records = read_records(settings)
    assert all(str(row["id"]) in records for row in rows)
    assert not any(one["request_id"] == "refused" for one in records.values())
    everything = str([dict(row) for row in await sql.fetch("SELECT * FROM audit_events")]) + str(records)
    assert not [secret for secret in (NEW_PASSWORD, created["code"], user.email, "$2b$") if secret in everything]
    last = records[str(rows[-1]["id"])]
    assert (last["actor"], last["action"], last["before"]) == (str(admin.id), "tag.delete", expected[-1].before)


async def test_a_request_that_changes_nothing_writes_no_event(
    admin: Account, user: Account, sql: asyncpg.Connection
) -> None:
    await admin.client.post("/v1/tags", json={"names": ["cat"]})
    unchanged = {f"/v1/users/{user.id}": {"disabled": False, "is_admin": False}, "/v1/tags/cat": {"name": "cat"}}
    for path, body in unchanged.items():
        assert (await admin.client.patch(path, json=body)).status_code == 200
    assert (await admin.client.patch("/v1/tags/dog", json={"name": "wolf"})).status_code == 404
    assert (await admin.client.patch(f"/v1/users/{admin.id}", json={"is_admin": False})).status_code == 409
    assert (await user.client.patch(f"/v1/users/{user.id}", json={"is_admin": True})).status_code == 403
    assert await read_events(sql) == []


async def test_an_api_key_is_named_as_the_credential(
    client: httpx.AsyncClient, admin: Account, user: Account, database: Database, sql: asyncpg.Connection
) -> None:
    key = {"Authorization": f"Bearer {await add_api_key(database, admin, 'read', 'write', 'admin')}"}
    assert (await client.patch(f"/v1/users/{user.id}", json={"quota_bytes": 1}, headers=key)).status_code == 200
    credential = await sql.fetchval("SELECT credential FROM audit_events")
    assert credential == str(await sql.fetchval("SELECT id FROM api_keys"))


async def test_of_two_admins_that_demote_each_other_one_event_remains(
    make_account: MakeAccount, sql: asyncpg.Connection
) -> None:
    one, other = await make_account(is_admin=True), await make_account(is_admin=True)
    answers = await asyncio.gather(
        one.client.patch(f"/v1/users/{other.id}", json={"is_admin": False}),
        other.client.patch(f"/v1/users/{one.id}", json={"is_admin": False}),
    )
    [demoted] = [f"/v1/users/{to.id}" for to, answer in zip((other, one), answers, strict=True) if answer.is_success]
    assert await read_events(sql) == [Event("account.demote", demoted, {"is_admin": True}, {"is_admin": False})]


async def test_an_invitation_is_used_by_the_account_that_it_creates(
    client: httpx.AsyncClient, admin: Account, sql: asyncpg.Connection
) -> None:
    created = (await admin.client.post("/v1/users/invitations", json={"email": "ada@example.com"})).json()
    body = {"email": "ada@example.com", "password": NEW_PASSWORD, "invitation_code": created["code"]}
    account = (await client.post("/v1/users", json=body)).json()["id"]
    used = await sql.fetchrow("SELECT * FROM audit_events ORDER BY at DESC LIMIT 1")
    assert (used["action"], used["object"]) == ("invitation.use", f"/v1/users/invitations/{created['id']}")
    assert (str(used["actor"]), used["credential"]) == (account, "invitation")
    trail = str([dict(row) for row in await sql.fetch("SELECT * FROM audit_events")])
    assert not [secret for secret in (NEW_PASSWORD, created["code"], "ada@example.com") if secret in trail]


async def test_a_new_sign_up_mode_is_recorded_once_for_all_workers(settings: Settings, sql: asyncpg.Connection) -> None:
    closed = settings.model_copy(update={"sign_up": "closed"})
    async with running_service(closed), running_service(closed):
        while not await read_events(sql):
            await asyncio.sleep(0.05)
    assert await read_events(sql) == [Event("sign_up.set_mode", "SIGN_UP", {"mode": "open"}, {"mode": "closed"})]
    assert await sql.fetchval("SELECT credential FROM audit_events WHERE actor IS NULL") == "service"


async def test_rows_are_neither_changed_nor_deleted(admin: Account, user: Account, sql: asyncpg.Connection) -> None:
    await admin.client.patch(f"/v1/users/{user.id}", json={"quota_bytes": 1})
    for statement in ("UPDATE audit_events SET actor = NULL", "DELETE FROM audit_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await sql.execute(statement)


async def _add_events(database: Database, count: int, action: AuditAction, actor: Account) -> None:
    async with database.unit_of_work() as session:
        audit = AuditLog(SERVICE, lambda _record: None).by(actor.id)
        for number in range(count):
            await audit.write(session, action, f"/v1/tags/{number}", after={"name": str(number)})


async def _read_pages(admin: Account, **query: Any) -> AsyncIterator[list[dict[str, Any]]]:
    cursor = None
    while True:
        answer = await admin.client.get("/v1/ops/audit", params={**query, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield page["items"]
        cursor = page["next_cursor"]
        assert ("next" in answer.links) == (cursor is not None)
        if cursor is None:
            return


async def test_pages_have_each_event_once_while_others_are_added(
    admin: Account, user: Account, database: Database, sql: asyncpg.Connection
) -> None:
    await _add_events(database, 25, AuditAction.TAG_MERGE, user)
    wanted = [row["object"] for row in await sql.fetch("SELECT object FROM audit_events ORDER BY at DESC, id DESC")]
    found = []
    async for page in _read_pages(admin, limit=10):
        found += [one["object"] for one in page]
        await _add_events(database, 3, AuditAction.TAG_RENAME, admin)
    assert found == wanted
    newest = (await admin.client.get("/v1/ops/audit")).json()["items"][0]
    assert set(newest) == {"at", "actor", "action", "object", "before", "after", "request_id"}
    at = (await admin.client.get("/v1/ops/audit", params={"action": "tag.merge", "limit": 1})).json()["items"][0]["at"]
    filters: list[tuple[dict[str, str], int]] = [
        ({"actor": str(user.id)}, 25),
        ({"action": "tag.rename"}, 9),
        ({"actor": str(user.id), "action": "tag.rename"}, 0),
        ({"until": at}, 25),
        ({"since": at}, 10),
        ({"since": at, "until": at, "action": "tag.merge"}, 1),
    ]
    for query, count in filters:
        pages = [page async for page in _read_pages(admin, limit=100, **query)]
        assert sum(map(len, pages)) == count, query
    cursor = (await admin.client.get("/v1/ops/audit", params={"limit": 1})).json()["next_cursor"]
    for query in ({"action": "tag.merge"}, {"actor": str(user.id)}, {"until": at}):
        answer = await admin.client.get("/v1/ops/audit", params={"cursor": cursor, **query})
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-cursor")
    reverse = {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    for query in ({"action": "nothing"}, {"actor": "me"}, reverse, {"since": "0001-01-01T00:00:00+14:00"}):
        assert (await admin.client.get("/v1/ops/audit", params=query)).status_code == 422, query


async def test_the_list_uses_an_index_for_each_filter(sql: asyncpg.Connection) -> None:
    await sql.execute("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off")
    try:
        for column in (None, "actor = gen_random_uuid()", "action = 'tag.merge'"):
            condition = f"WHERE {column} AND at < now()" if column else "WHERE at < now()"
            order = f"EXPLAIN SELECT * FROM audit_events {condition} ORDER BY at DESC, id DESC LIMIT 20"  # noqa: S608
            plan = "\n".join(row[0] for row in await sql.fetch(order))
            assert "Index Scan Backward" in plan, plan
            assert "Sort" not in plan, plan
    finally:
        await sql.execute("RESET enable_seqscan; RESET enable_sort; RESET enable_bitmapscan")


async def test_the_page_shows_filters_and_pages(admin: Account, user: Account, database: Database) -> None:
    await _add_events(database, 101, AuditAction.TAG_MERGE, user)
    page = {"Cookie": f"imts_ops={admin.ops_cookie}"}
    async with httpx.AsyncClient(base_url=admin.client.base_url, headers=page) as browser:
        shown = await browser.get("/ops/audit")
        assert shown.status_code == 200
        assert "<script" not in shown.text
        assert (shown.text.count("<tr>"), "Older actions" in shown.text) == (1 + 100, True)
        assert user.email in shown.text
        older = shown.text.partition("/ops/audit?cursor=")[2].partition('"')[0]
        last = await browser.get(f"/ops/audit?cursor={older}")
        assert (last.text.count("<tr>"), "Older actions" in last.text) == (1 + 1, False)
        none = await browser.get("/ops/audit", params={"actor": str(admin.id), "action": "tag.merge"})
        assert "No actions match." in none.text
        assert "<option selected>tag.merge</option>" in none.text
        wrong = await browser.get("/ops/audit", params={"since": "2026-02-30", "actor": str(user.id)})
        assert wrong.status_code == 422
        assert f'value="{user.id}"' in wrong.text
        assert 'role="alert"' in wrong.text


async def test_without_mongodb_an_action_succeeds_and_is_in_postgresql(
    settings: Settings, admin: Account, user: Account, sql: asyncpg.Connection
) -> None:
    closed = settings.model_copy(update={"mongo_url": SecretStr("mongodb://127.0.0.1:9/imts")})
    async with running_service(closed) as service:
        started = time.monotonic()
        answer = await admin.client.patch(f"{service.url}/v1/users/{user.id}", json={"quota_bytes": 5})
        assert (answer.status_code, time.monotonic() - started < 2) == (200, True)
    assert [event.action for event in await read_events(sql)] == ["account.set_quota"]


async def test_records_wait_for_mongodb_up_to_a_limit(settings: Settings, mongo_url: str) -> None:
    late = settings.model_copy(update={"mongo_url": SecretStr(mongo_url)})
    log = RequestLog(late)
    delivery = AuditDelivery(log)
    for number in itertools.count():
        delivery.add(_record(number))
        if delivery.dropped:
            break
    assert (number, delivery.waiting) == (MAX_WAITING, MAX_WAITING)
    delivery.start()
    await until(lambda: not delivery.waiting)
    # A repeated delivery makes no duplicate.
    delivery.add(_record(0))
    await delivery.close()
    await log.close()
    assert len(read_records(late)) == MAX_WAITING


def _record(number: int) -> AuditRecord:
    return AuditRecord(
        uuid.UUID(int=number),
        datetime.now(UTC),
        None,
        "command",
        "tag.merge",
        "/v1/tags/cat",
        None,
        {"n": number},
        None,
    )


async def test_members_are_bounded(database: Database, sql: asyncpg.Connection) -> None:
    async with database.unit_of_work() as session:
        audit = AuditLog(SERVICE, lambda _record: None)
        before, after = {"name": "z" * 10_000}, {"all": ["x" * 10_000] * 500}
        await audit.write(session, AuditAction.TAG_SET_ALIASES, "/" + "y" * 10_000, before=before, after=after)
    [event] = await read_events(sql)
    assert (len(event.object), len((event.before or {})["name"]), len((event.after or {})["all"])) == (1024, 1024, 100)
    assert len(json.dumps(event.after)) < 15_000
