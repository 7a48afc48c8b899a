"""The forms without scripts that delete the account and end its other sessions."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.gallery.gallery_cookie import COOKIE
from tests.gallery.conftest import gallery_cookie
from tests.support.accounts import PASSWORD, Account
from tests.support.photos import png
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

FORM = "/account/deletion"
SignIn = Callable[[Account], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def sign_in(service: RunningService, settings: Settings) -> AsyncIterator[SignIn]:
    """Return a browser without scripts that has the session of the account."""
    browsers: list[httpx.AsyncClient] = []

    async def sign_in(account: Account) -> httpx.AsyncClient:
        cookies = {COOKIE: gallery_cookie(settings, account)}
        browsers.append(httpx.AsyncClient(base_url=service.url, cookies=cookies, timeout=60))
        return browsers[-1]

    yield sign_in
    for browser in browsers:
        await browser.aclose()


async def submit(browser: httpx.AsyncClient, path: str, page: str = FORM, **fields: str) -> httpx.Response:
    """Submit a form of the page, with the CSRF token that the form has."""
    found = re.search(
        rf'action="{path}">\s*<input type="hidden" name="csrf_token" value="([^"]+)"', await read(browser, page)
    )
    assert found
    return await browser.post(path, data={"csrf_token": found[1], **fields})


async def read(browser: httpx.AsyncClient, path: str) -> str:
    page = await browser.get(path)
    assert page.status_code == 200, page.text
    return page.text


async def store(account: Account, name: str, visibility: str) -> str:
    file = {"image": (name, png())}
    stored = await account.client.post("/v1/images", files=file, data={"visibility": visibility})
    assert stored.status_code == 201, stored.text
    return str(stored.json()["links"]["self"])


@pytest.mark.parametrize(("images", "status"), [("keep", 200), ("delete", 404)])
async def test_the_account_is_deleted_with_or_without_its_images(
    client: httpx.AsyncClient, sign_in: SignIn, user: Account, sql: asyncpg.Connection, images: str, status: int
) -> None:
    public, trashed = await store(user, "public.png", "public"), await store(user, "trashed.png", "private")
    assert (await user.client.delete(trashed)).status_code == 204
    browser = await sign_in(user)
    assert f'href="{FORM}"' in await read(browser, "/account")
    form = await read(browser, FORM)
    for shown in (
        user.email,
        "It cannot be undone",
        "The trash is deleted permanently: 1 image",
        'value="keep" checked',
    ):
        assert shown in form, shown

    wrong = await submit(browser, FORM, password="wrong", images=images)
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (403, True)
    assert f'value="{images}" checked' in wrong.text
    assert (await submit(browser, FORM, images=images)).status_code == 403
    assert await sql.fetchval("SELECT count(*) FROM users") == 1

    done = await submit(browser, FORM, password=PASSWORD, images=images)
    assert (done.status_code, "The account was deleted" in done.text) == (200, True)
    assert done.headers["set-cookie"].startswith(f'{COOKIE}=""; ')
    assert (await user.client.get("/v1/users/me")).status_code == 401
    assert (await client.get(public)).status_code == status
    assert await sql.fetchval("SELECT count(*) FROM users") == 0
    assert await sql.fetchval("SELECT count(*) FROM images") == (images == "keep")
    row = await sql.fetchrow("SELECT actor, credential, after FROM audit_events WHERE action = 'account.delete'")
    assert (row["actor"], row["credential"]) == (user.id, str(user.session_id))


async def test_an_account_without_a_password_needs_a_recent_sign_in(
    sign_in: SignIn, user: Account, sql: asyncpg.Connection
) -> None:
    await sql.execute("UPDATE users SET password = NULL")
    await sql.execute("UPDATE user_sessions SET created_at = now() - interval '11 minutes'")
    browser = await sign_in(user)
    assert 'href="/sign-in?next=/account/deletion"' in await read(browser, FORM)
    refused = await submit(browser, FORM)
    assert (refused.status_code, "Sign in again" in refused.text) == (403, True)
    await sql.execute("UPDATE user_sessions SET created_at = now()")
    assert (await submit(browser, FORM)).status_code == 200
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


async def test_the_last_admin_stays(sign_in: SignIn, admin: Account, sql: asyncpg.Connection) -> None:
    refused = await submit(await sign_in(admin), FORM, password=PASSWORD)
    assert (refused.status_code, "last" in refused.text) == (409, True)
    assert await sql.fetchval("SELECT is_admin FROM users") is True


async def test_the_other_sessions_end_and_those_of_other_accounts_continue(
    sign_in: SignIn, user: Account, admin: Account
) -> None:
    browser = await sign_in(user)
    assert "end-others" not in await read(browser, "/account")
    form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
    tokens = [(await browser.post("/v1/auth/token", data=form)).json()["access_token"] for _ in range(2)]
    done = await submit(browser, "/account/sessions/end-others", "/account")
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    for token in tokens:
        assert (await browser.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    page = await read(browser, "/account")
    assert (user.email in page, "end-others" in page) == (True, False)
    assert (await admin.client.get("/v1/users/me")).status_code == 200
