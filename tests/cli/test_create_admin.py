"""`python -m app create-admin`, as a child process."""

import asyncio
import subprocess
import sys

import asyncpg
import httpx

from app.core.settings import Settings
from tests.accounts import Account
from tests.environment import environment
from tests.repository import ROOT


async def create_admin(settings: Settings, email: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "create-admin", email]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )


async def test_a_new_admin_gets_a_password_that_works(
    client: httpx.AsyncClient, settings: Settings, sql: asyncpg.Connection
) -> None:
    ran = await create_admin(settings, "Root@Example.com")
    assert ran.returncode == 0, ran.stderr
    form = {"grant_type": "password", "username": "Root@example.com", "password": ran.stdout.split()[-1]}
    assert (await client.post("/v1/auth/token", data=form)).status_code == 200
    assert await sql.fetchval("SELECT is_admin FROM users") is True


async def test_an_existing_account_becomes_an_admin_at_once(user: Account, settings: Settings) -> None:
    assert (await user.client.get("/v1/users")).status_code == 403
    ran = await create_admin(settings, user.email)
    assert (ran.returncode, "admin now" in ran.stdout) == (0, True), ran.stderr
    assert (await user.client.get("/v1/users")).status_code == 200


async def test_what_is_wrong_is_said_in_one_line(settings: Settings) -> None:
    refused = await create_admin(settings, "nobody")
    assert (refused.returncode, refused.stderr) == (2, "nobody: not a valid e-mail address\n")
    nowhere = settings.model_copy(update={"database_url": type(settings.database_url)("postgresql://u@127.0.0.1:9/x")})
    down = await create_admin(nowhere, "a@example.com")
    assert (down.returncode, down.stderr) == (1, "The database does not answer\n")
