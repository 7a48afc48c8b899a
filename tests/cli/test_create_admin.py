"""`python -m app create-admin`, as a child process."""

import asyncio
import contextlib
import os
import subprocess
import sys

import asyncpg
import httpx

from app.core.settings import Settings
from tests.audit.trail import Event, read_events
from tests.support.accounts import PASSWORD, Account
from tests.support.environment import environment
from tests.support.paths import ROOT


async def create_admin(settings: Settings, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "create-admin", *arguments]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        input=typed,
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
    created = await sql.fetchval("SELECT id FROM users WHERE is_admin")
    assert await read_events(sql) == [Event("account.create", f"/v1/users/{created}", None, {"is_admin": True})]


async def test_f16_an_existing_account_is_not_promoted_unasked(user: Account, settings: Settings) -> None:
    ran = await create_admin(settings, user.email)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "--existing" in ran.stderr
    assert (await user.client.get("/v1/users")).status_code == 403


async def test_f16_existing_ends_sessions_and_keys(
    client: httpx.AsyncClient, user: Account, settings: Settings, sql: asyncpg.Connection
) -> None:
    await user.client.post("/v1/users/me/api-keys", json={"name": "script", "scopes": ["read"]})
    ran = await create_admin(settings, user.email, "--existing", typed="\n")
    assert (ran.returncode, "is now an admin" in ran.stdout) == (0, True), ran.stderr
    assert (await user.client.get("/v1/users")).status_code == 401
    assert await sql.fetchval("SELECT (SELECT count(*) FROM user_sessions) + (SELECT count(*) FROM api_keys)") == 0
    form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
    token = (await client.post("/v1/auth/token", data=form)).json()["access_token"]
    assert (await client.get("/v1/users", headers={"Authorization": f"Bearer {token}"})).status_code == 200
    again = await create_admin(settings, user.email)
    assert (again.returncode, "is already an admin" in again.stdout) == (0, True), again.stderr


async def test_f16_existing_sets_a_new_password(
    client: httpx.AsyncClient, user: Account, settings: Settings, sql: asyncpg.Connection
) -> None:
    await sql.execute("INSERT INTO social_identities VALUES ('https://id.example', 'mallory', 'local', $1)", user.id)
    weak = await create_admin(settings, user.email, "--existing", typed="password\n")
    assert (weak.returncode, len(weak.stderr.splitlines())) == (2, 1)
    assert await sql.fetchval("SELECT is_admin FROM users") is False
    ran = await create_admin(settings, user.email, "--existing", typed="an entirely new one\n")
    assert ran.returncode == 0, ran.stderr
    for password, status in ((PASSWORD, 401), ("an entirely new one", 200)):
        form = {"grant_type": "password", "username": user.email, "password": password}
        assert (await client.post("/v1/auth/token", data=form)).status_code == status
    assert await sql.fetchval("SELECT count(*) FROM social_identities") == 0
    assert [event.action for event in await read_events(sql)] == ["account.promote", "account.set_password"]


def _answer_prompts(command: list[str], env: dict[str, str], answers: list[bytes]) -> tuple[int, bytes]:
    """Run the command in a terminal, type one answer for each prompt, and return exit code and terminal output."""
    terminal, inside = os.openpty()
    with subprocess.Popen(  # noqa: S603 - the arguments are this test's own
        command, cwd=ROOT, env=env, stdin=inside, stdout=inside, stderr=inside, start_new_session=True
    ) as process:
        os.close(inside)
        shown = b""
        # At the end of the process, Linux reports the closed terminal as an I/O error.
        with contextlib.suppress(OSError):
            for answer in [*answers, b""]:
                while not answer or not shown.endswith(b": "):
                    shown += os.read(terminal, 1024)
                os.write(terminal, answer)
                shown += b"\n"
        code = process.wait()
    os.close(terminal)
    return code, shown


async def test_f16_a_terminal_is_asked_twice(user: Account, settings: Settings, sql: asyncpg.Connection) -> None:
    command = [sys.executable, "-m", "app", "create-admin", user.email, "--existing"]
    answers = [b"an entirely new one\n", b"another one\n"]
    code, shown = await asyncio.to_thread(_answer_prompts, command, environment(settings), answers)
    assert (code, b"passwords differ" in shown) == (2, True), shown
    assert b"entirely" not in shown
    assert await sql.fetchval("SELECT is_admin FROM users") is False


async def test_an_invalid_value_is_reported_in_one_line(settings: Settings) -> None:
    refused = await create_admin(settings, "nobody")
    assert (refused.returncode, refused.stderr) == (2, "nobody: The value must be an e-mail address.\n")
    nowhere = settings.model_copy(update={"database_url": type(settings.database_url)("postgresql://u@127.0.0.1:9/x")})
    down = await create_admin(nowhere, "a@example.com")
    assert (down.returncode, down.stderr) == (1, "The database does not respond.\n")
