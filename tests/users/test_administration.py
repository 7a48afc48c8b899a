"""Accounts managed by admins: their reads, their changes, and the credentials that a change ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.orphan_sweeper import OrphanSweeper
from app.storage.object_store import ObjectStore
from tests.support.accounts import PASSWORD, Account, add_api_key
from tests.support.photos import png
from tests.support.server import running_service

pytestmark = pytest.mark.integration

MakeAccount = Callable[..., Awaitable[Account]]
NEW_PASSWORD = "an entirely new one"


def slug(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


async def sign_in(client: httpx.AsyncClient, account: Account, password: str) -> httpx.Response:
    form = {"grant_type": "password", "username": account.email, "password": password}
    # Several hashes at once take their time on a busy machine.
    return await client.post("/v1/auth/token", data=form, timeout=60)


async def upload(account: Account, name: str, **form: str) -> dict[str, Any]:
    stored = await account.client.post("/v1/images", files={"image": (name, png(), "image/png")}, data=form)
    assert stored.status_code == 201, stored.text
    image: dict[str, Any] = stored.json()
    return image


async def test_f57_an_admin_reads_an_account(admin: Account, user: Account) -> None:
    stored = await upload(user, "one.png")
    response = await admin.client.get(f"/v1/users/{user.id}")
    assert response.status_code == 200
    read = response.json()
    assert (read["email"], read["disabled"], read["quota_bytes"], read["email_verified"]) == (
        user.email,
        False,
        None,
        False,
    )
    assert (read["images"], read["bytes"]) == (1, stored["size"])
    assert read["last_seen_at"] is not None
    again = await admin.client.get(f"/v1/users/{user.id}", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304
    assert slug(await admin.client.get("/v1/users/00000000-0000-4000-8000-000000000000")) == (404, "user-not-found")
    assert slug(await admin.client.get("/v1/users/nonsense")) == (404, "user-not-found")


async def test_f57_the_fields_of_a_change_are_checked(admin: Account, user: Account) -> None:
    path = f"/v1/users/{user.id}"
    for body in ({}, {"quota_bytes": -1}, {"quota_bytes": 2**63}, {"is_admin": None}, {"email": "a@example.com"}):
        assert slug(await admin.client.patch(path, json=body)) == (422, "validation-error"), body
    assert (await admin.client.patch(path, json={"quota_bytes": 2**63 - 1})).json()["quota_bytes"] == 2**63 - 1
    assert (await admin.client.patch(path, json={"disabled": False})).json()["quota_bytes"] == 2**63 - 1
    assert (await admin.client.patch(path, json={"quota_bytes": None})).json()["quota_bytes"] is None


async def test_f57_disabling_ends_all_credentials_on_every_worker_without_redis(
    client: httpx.AsyncClient, admin: Account, user: Account, settings: Settings, database: Database
) -> None:
    no_redis = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:9/0")})
    tokens = (await sign_in(client, user, PASSWORD)).json()
    key = await add_api_key(database, user, "read")
    bearers = [{"Authorization": f"Bearer {token}"} for token in (user.access_token, tokens["access_token"], key)]
    async with running_service(no_redis) as other, httpx.AsyncClient(base_url=other.url) as elsewhere:
        for service in (client, elsewhere):
            responses = [await service.get("/v1/users/me", headers=headers) for headers in bearers]
            assert [one.status_code for one in responses] == [200] * 3
        changed = await admin.client.patch(f"/v1/users/{user.id}", json={"disabled": True})
        assert (changed.status_code, changed.json()["disabled"]) == (200, True)
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        for service in (client, elsewhere):
            responses = [await service.get("/v1/users/me", headers=headers) for headers in bearers]
            assert [slug(one) for one in responses] == [(401, "invalid-token")] * 3
            assert slug(await service.post("/v1/auth/token", data=refresh)) == (401, "invalid-token")
            assert slug(await sign_in(service, user, PASSWORD)) == (401, "invalid-credentials")
    await admin.client.patch(f"/v1/users/{user.id}", json={"disabled": False})
    assert (await client.get("/v1/users/me", headers=bearers[0])).status_code == 401
    assert (await sign_in(client, user, PASSWORD)).status_code == 200


async def test_f57_no_credential_of_a_disabled_account_works_however_it_was_made(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection, database: Database
) -> None:
    key = await add_api_key(database, user, "read")
    await sql.execute("UPDATE users SET disabled = true")
    for token in (key, user.access_token):
        response = await client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert slug(response) == (401, "invalid-token")


async def test_f56_a_password_set_by_an_admin_ends_all_credentials(
    client: httpx.AsyncClient, admin: Account, user: Account, database: Database
) -> None:
    key = await add_api_key(database, user, "read")
    changed = await admin.client.patch(f"/v1/users/{user.id}", json={"password": NEW_PASSWORD})
    assert changed.status_code == 200, changed.text
    assert NEW_PASSWORD not in changed.text
    for token in (key, user.access_token):
        response = await client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert slug(response) == (401, "invalid-token")
    assert slug(await sign_in(client, user, PASSWORD)) == (401, "invalid-credentials")
    assert (await sign_in(client, user, NEW_PASSWORD)).status_code == 200


async def test_f56_no_sign_in_slips_behind_a_password_that_an_admin_sets(
    client: httpx.AsyncClient, admin: Account, user: Account, sql: asyncpg.Connection
) -> None:
    changed, *_ = await asyncio.gather(
        admin.client.patch(f"/v1/users/{user.id}", json={"password": NEW_PASSWORD}, timeout=60),
        *(sign_in(client, user, PASSWORD) for _ in range(4)),
    )
    assert changed.status_code == 200, changed.text
    assert await sql.fetchval("SELECT count(*) FROM user_sessions WHERE user_id = $1", user.id) == 0


async def test_f57_rights_are_given_and_withdrawn_from_a_session_only(
    client: httpx.AsyncClient, admin: Account, user: Account, database: Database
) -> None:
    path = f"/v1/users/{user.id}"
    old_key = {"Authorization": f"Bearer {await add_api_key(database, user, 'read', 'admin')}"}
    admin_key = {"Authorization": f"Bearer {await add_api_key(database, admin, 'read', 'write', 'admin')}"}
    for body in ({"is_admin": True}, {"password": NEW_PASSWORD}):
        assert slug(await client.patch(path, json=body, headers=admin_key)) == (403, "sign-in-required")
    assert (await client.patch(path, json={"quota_bytes": 5}, headers=admin_key)).status_code == 200
    assert (await admin.client.patch(path, json={"is_admin": True})).json()["is_admin"] is True
    assert (await user.client.get("/v1/users")).status_code == 200
    # A key from before the promotion, made while its scope `admin` had no effect, is no admin's key.
    assert (await client.get("/v1/users/me", headers=old_key)).status_code == 200
    assert slug(await client.get("/v1/users", headers=old_key)) == (403, "admin-required")
    assert (await admin.client.patch(path, json={"is_admin": False})).json()["is_admin"] is False
    assert slug(await user.client.get("/v1/users")) == (403, "admin-required")


@pytest.mark.parametrize("body", [{"is_admin": False}, {"disabled": True}])
async def test_f57_the_last_admin_stays(admin: Account, make_account: MakeAccount, body: dict[str, bool]) -> None:
    disabled = await make_account(is_admin=True)
    assert (await admin.client.patch(f"/v1/users/{disabled.id}", json={"disabled": True})).status_code == 200
    image = await upload(admin, "kept.png")
    path = f"/v1/users/{admin.id}"
    assert slug(await admin.client.patch(path, json=body)) == (409, "last-admin")
    assert slug(await admin.client.delete(path)) == (409, "last-admin")
    assert slug(await admin.client.delete("/v1/users/me?images=delete")) == (409, "last-admin")
    # A refused deletion changes nothing.
    assert (await admin.client.get(f"/v1/images/{image['id']}")).json()["uploaded_by"] == str(admin.id)
    assert (await admin.client.get(path)).json()["is_admin"] is True


async def test_f57_of_all_admins_that_end_each_other_at_once_one_stays(
    make_account: MakeAccount, sql: asyncpg.Connection
) -> None:
    for attempt in range(3):
        await sql.execute("DELETE FROM users")
        admins = [await make_account(is_admin=True) for _ in range(6)]
        changes = [
            lambda one: one.client.patch(f"/v1/users/{one.id}", json={"is_admin": False}),
            lambda one: one.client.patch(f"/v1/users/{one.id}", json={"disabled": True}),
            lambda one: one.client.delete("/v1/users/me"),
        ]
        responses = await asyncio.gather(*(changes[(n + attempt) % 3](one) for n, one in enumerate(admins)))
        assert [slug(one) for one in responses if one.is_error] == [(409, "last-admin")]
        assert await sql.fetchval("SELECT count(*) FROM users WHERE is_admin AND NOT disabled") == 1


async def test_f57_deleting_an_account_keeps_or_deletes_its_images(
    client: httpx.AsyncClient,
    admin: Account,
    make_account: MakeAccount,
    monkeypatch: pytest.MonkeyPatch,
    sql: asyncpg.Connection,
    database: Database,
    settings: Settings,
    empty_bucket: ObjectStore,
) -> None:
    monkeypatch.setattr("app.administration.account_deletion.DELETE_BATCH", 2)
    keeper, deleter, stranger = [await make_account() for _ in range(3)]
    kept = await upload(keeper, "kept.png")
    deleted = [
        await upload(deleter, f"{n}.png", tags="cat", visibility=v) for n, v in enumerate(["public"] * 4 + ["private"])
    ]
    others = await upload(stranger, "other.png", tags="cat")
    assert (await client.get(deleted[0]["links"]["thumbnail"], params={"size": 160})).status_code == 200
    assert (await admin.client.delete(f"/v1/users/{keeper.id}")).status_code == 204
    assert (await client.get(kept["links"]["self"])).json()["uploaded_by"] is None
    assert (await admin.client.delete(f"/v1/users/{deleter.id}?images=delete")).status_code == 204
    assert {(await admin.client.get(one["links"]["self"])).status_code for one in deleted} == {404}
    assert slug(await deleter.client.get("/v1/users/me")) == (401, "invalid-token")
    page = (await client.get("/v1/images?q=cat&count=exact")).json()
    assert ([one["id"] for one in page["items"]], page["total"]) == ([others["id"]], 1)
    assert (await client.get("/v1/tags/cat")).json()["images"] == 1
    await OrphanSweeper(database, empty_bucket, settings.model_copy(update={"orphan_grace_seconds": 0})).sweep()
    originals = {f"{row['storage_key']}" for row in await sql.fetch("SELECT storage_key FROM images")}
    assert {one.key async for one in empty_bucket.list_objects()} == originals
    assert slug(await admin.client.delete(f"/v1/users/{deleter.id}")) == (404, "user-not-found")
    assert slug(await admin.client.delete(f"/v1/users/{stranger.id}?images=perhaps")) == (422, "validation-error")


async def test_f57_an_account_deletes_itself_with_its_images(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    image = await upload(user, "mine.png", visibility="private")
    assert (await user.client.delete("/v1/users/me?images=delete")).status_code == 204
    assert (await client.get(image["links"]["self"])).status_code == 404
    assert await sql.fetchval("SELECT count(*) FROM images") == 0


async def test_f57_no_upload_that_races_the_deletion_stays_behind(user: Account, sql: asyncpg.Connection) -> None:
    async def store(number: int) -> httpx.Response:
        files = {"image": (f"{number}.png", png(), "image/png")}
        return await user.client.post("/v1/images", files=files, data={"visibility": "private"})

    deleted, *stored = await asyncio.gather(
        user.client.delete("/v1/users/me?images=delete"), *(store(number) for number in range(12))
    )
    assert {one.status_code for one in stored} <= {201, 401}
    assert deleted.status_code == 204, deleted.text
    assert await sql.fetchval("SELECT count(*) FROM images") == 0
