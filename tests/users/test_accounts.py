"""Accounts: sign-up, change, deletion, the admins' list."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from passlib.hash import bcrypt_sha256

from app.core.passwords import PasswordHasher
from app.core.settings import Settings
from tests.support.accounts import PASSWORD, Account
from tests.support.photos import png
from tests.support.server_fixtures import PASSWORD_COST

MakeAccount = Callable[..., Awaitable[Account]]


def slug(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


async def sign_up(client: httpx.AsyncClient, email: Any, password: Any = PASSWORD, **more: Any) -> httpx.Response:
    return await client.post("/v1/users", json={"email": email, "password": password, **more})


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    form = {"grant_type": "password", "username": email, "password": password}
    # Several hashes at once take their time on a busy machine.
    return await client.post("/v1/auth/token", data=form, timeout=60)


async def test_a_new_account(client: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    made = await sign_up(client, "  Ada@EXAMPLE.com ")
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/users/me"
    account = made.json()
    assert account.keys() == {"id", "email", "email_verified", "created_at", "is_admin", "providers", "has_password"}
    assert (account["email"], account["is_admin"], account["has_password"]) == ("Ada@example.com", False, True)
    stored = await sql.fetchval("SELECT password FROM users")
    assert stored.startswith(f"$bcrypt-sha256$v=2,t=2b,r={PASSWORD_COST}$")
    assert slug(await sign_up(client, "Ada@example.COM")) == (409, "email-taken")


@pytest.mark.usefixtures("full_password_cost")
async def test_a_password_is_hashed_at_full_cost() -> None:
    hasher = PasswordHasher()
    stored = await hasher.hash(PASSWORD)
    assert stored.startswith("$bcrypt-sha256$v=2,t=2b,r=12$")
    assert await hasher.verify(PASSWORD, stored)
    # Without an account, the comparison is with a hash of the same cost.
    assert "r=12$" in hasher._dummy_hash
    assert not await hasher.verify(PASSWORD, None)
    await hasher.close()


async def test_one_of_many_sign_ups_with_one_address_wins(client: httpx.AsyncClient) -> None:
    responses = await asyncio.gather(*(sign_up(client, "ada@example.com") for _ in range(5)))
    assert sorted(one.status_code for one in responses) == [201, 409, 409, 409, 409]


REFUSED_ADDRESSES = [
    *("", "nobody", "a@", "a@@example.com", "a b@example.com", "a@exa\x00mple.com", "a\ud800@example.com", "a@-.com"),
    *("a" * 65 + "@example.com", "a" * 400 + "@example.com", "a@example.com\nBcc: b@example.com", None, 7, ["a@b.de"]),
]
REFUSED_PASSWORDS = [
    *("", "7 chars", "password", "PassWord123", "12345678", "iloveyou!", "e\u0301" * 7, "a" * 1025, None, 12345678),
]


@pytest.mark.parametrize("email", REFUSED_ADDRESSES, ids=range(len(REFUSED_ADDRESSES)))
async def test_refused_addresses(client: httpx.AsyncClient, email: Any) -> None:
    # Not by `json=`, which refuses the lone surrogate itself.
    body = json.dumps({"email": email, "password": PASSWORD})
    response = await client.post("/v1/users", content=body, headers={"Content-Type": "application/json"})
    assert slug(response) == (422, "validation-error")
    if isinstance(email, str) and len(email) > 2:
        assert email not in response.text


@pytest.mark.parametrize("field", ["id", "is_admin", "created_at", "token", "expire_at", "email_verified", "scopes"])
async def test_mass_assignment_is_refused(client: httpx.AsyncClient, user: Account, field: str) -> None:
    assert slug(await sign_up(client, "eve@example.com", **{field: True})) == (422, "validation-error")
    changed = await user.client.patch("/v1/users/me", json={"current_password": PASSWORD, field: True})
    assert slug(changed) == (422, "validation-error")


@pytest.mark.parametrize("password", REFUSED_PASSWORDS, ids=range(len(REFUSED_PASSWORDS)))
async def test_refused_passwords(client: httpx.AsyncClient, password: Any) -> None:
    response = await sign_up(client, "ada@example.com", password)
    assert slug(response) == (422, "validation-error")
    # The field's own name is `password`.
    assert password in ("", "password") or str(password) not in response.text


async def test_passwords_count_to_their_last_byte(client: httpx.AsyncClient) -> None:
    for number, password in enumerate(("a" * 73, "ü" * 1024)):
        email = f"long{number}@example.com"
        assert (await sign_up(client, email, password)).status_code == 201
        assert (await sign_in(client, email, password)).status_code == 200
        assert slug(await sign_in(client, email, password[:-1])) == (401, "invalid-credentials")
    assert slug(await sign_in(client, "long0@example.com", "a" * 72)) == (401, "invalid-credentials")


async def test_composed_and_decomposed_are_one_password(client: httpx.AsyncClient) -> None:
    assert (await sign_up(client, "ada@example.com", "Zoë's café")).status_code == 201
    assert (await sign_in(client, "ada@example.com", "Zoe\u0308's cafe\u0301")).status_code == 200


async def test_hostile_passwords_are_refused_and_never_a_500(client: httpx.AsyncClient, user: Account) -> None:
    for password in ("with\0NUL in it", "tab\tin it 123", "x" * 1025, "x" * 1_000_000):
        assert slug(await sign_up(client, "ada@example.com", password)) == (422, "validation-error")
        assert slug(await sign_in(client, user.email, password)) == (422, "validation-error")
    assert slug(await sign_in(client, user.email, "x" * 1_100_000)) == (413, "payload-too-large")


async def test_old_hashes_are_renewed_at_login(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    assert "r=4$" in await sql.fetchval("SELECT password FROM users")
    responses = await asyncio.gather(*(sign_in(client, user.email) for _ in range(3)))
    assert [one.status_code for one in responses] == [200, 200, 200]
    renewed = await sql.fetchval("SELECT password FROM users")
    assert f"r={PASSWORD_COST}$" in renewed
    assert bcrypt_sha256.verify(PASSWORD, renewed)


async def test_a_change_needs_the_current_password(user: Account) -> None:
    assert slug(await user.client.patch("/v1/users/me", json={"email": "b@example.com"})) == (422, "validation-error")
    wrong = {"email": "b@example.com", "current_password": "not the password"}
    assert slug(await user.client.patch("/v1/users/me", json=wrong)) == (403, "wrong-password")
    assert (await user.client.get("/v1/users/me")).json()["email"] == user.email


async def test_a_new_email(user: Account, make_account: MakeAccount) -> None:
    await make_account("taken@example.com")
    body = {"email": "new@Example.com", "current_password": PASSWORD}
    assert (await user.client.patch("/v1/users/me", json=body)).json()["email"] == "new@example.com"
    body["email"] = "taken@example.com"
    assert slug(await user.client.patch("/v1/users/me", json=body)) == (409, "email-taken")


async def test_a_new_password_ends_all_other_sessions(client: httpx.AsyncClient, user: Account) -> None:
    other = (await sign_in(client, user.email)).json()
    body = {"password": "an entirely new one", "current_password": PASSWORD}
    assert (await user.client.patch("/v1/users/me", json=body)).status_code == 200
    headers = {"Authorization": f"Bearer {other['access_token']}"}
    assert (await client.get("/v1/users/me", headers=headers)).status_code == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": other["refresh_token"]}
    assert (await client.post("/v1/auth/token", data=refresh)).status_code == 401
    assert (await user.client.get("/v1/users/me")).status_code == 200
    assert slug(await sign_in(client, user.email)) == (401, "invalid-credentials")
    assert (await sign_in(client, user.email, "an entirely new one")).status_code == 200


async def test_no_sign_in_with_the_old_password_slips_behind_its_change(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    body = {"password": "an entirely new one", "current_password": PASSWORD}
    changed, *_ = await asyncio.gather(
        user.client.patch("/v1/users/me", json=body, timeout=60), *(sign_in(client, user.email) for _ in range(6))
    )
    assert changed.status_code == 200, changed.text
    assert await sql.fetchval("SELECT count(*) FROM user_sessions WHERE id <> $1", user.session_id) == 0


async def test_a_deleted_account_leaves_its_images_without_owner(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    uploaded = await user.client.post("/v1/images", files={"image": ("cat.png", png(), "image/png")})
    assert (await user.client.delete("/v1/users/me")).status_code == 204
    assert (await client.get(f"/v1/images/{uploaded.json()['id']}")).json()["uploaded_by"] is None
    assert slug(await user.client.get("/v1/users/me")) == (401, "invalid-token")
    assert slug(await sign_in(client, user.email)) == (401, "invalid-credentials")
    assert await sql.fetchval("SELECT count(*) FROM user_sessions") == 0


async def test_an_interrupted_deletion_continues(
    client: httpx.AsyncClient,
    user: Account,
    sql: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    monkeypatch.setattr("app.administration.account_deletion.DETACH_BATCH", 2)
    form = {"visibility": "private"}
    made = [
        (await user.client.post("/v1/images", files={"image": (f"{number}.png", png())}, data=form)).json()["id"]
        for number in range(5)
    ]
    other = await asyncpg.connect(settings.direct_database_url)
    async with other.transaction():
        await other.execute("SELECT 1 FROM images WHERE id = $1 FOR UPDATE", made[3])
        stopped = await user.client.delete("/v1/users/me", timeout=60)
    await other.close()
    assert slug(stopped) == (503, "database-busy")
    owned = [(await user.client.get(f"/v1/images/{image}")).status_code for image in made]
    assert owned == [404, 404, 200, 200, 200]
    assert (await user.client.get("/v1/images?q=uploader:me")).json()["items"] == [
        (await user.client.get(f"/v1/images/{image}")).json() for image in reversed(made[2:])
    ]
    assert (await user.client.delete("/v1/users/me")).status_code == 204
    assert {(await client.get(f"/v1/images/{image}")).status_code for image in made} == {404}
    assert await sql.fetchval("SELECT count(*) FROM images WHERE uploaded_by IS NULL AND visibility = 'private'") == 5
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


async def test_reading_the_own_account_is_conditional(user: Account) -> None:
    first = await user.client.get("/v1/users/me")
    again = await user.client.get("/v1/users/me", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await user.client.head("/v1/users/me")).headers["etag"] == first.headers["etag"]


async def test_admins_page_through_the_accounts(admin: Account, make_account: MakeAccount) -> None:
    made = [(await make_account()).email for _ in range(4)]
    seen: list[str] = []
    path: str | None = "/v1/users?limit=2"
    while path:
        page = await admin.client.get(path)
        seen += [one["email"] for one in page.json()["items"]]
        path = page.links["next"]["url"] if page.json()["next_cursor"] else None
    assert seen == [*reversed(made), admin.email]
    found = await admin.client.get("/v1/users", params={"email": made[0]})
    assert [one["email"] for one in found.json()["items"]] == [made[0]]
    assert (await admin.client.get("/v1/users", params={"email": "nobody@example.com"})).json()["items"] == []
    assert slug(await admin.client.get("/v1/users?email=nonsense")) == (422, "validation-error")
    assert slug(await admin.client.get("/v1/users?cursor=nonsense")) == (400, "invalid-cursor")
