"""`python -m app create-user` and `set-password`, as child processes."""

import asyncio
import os
import pty
import select
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.db.database import Database
from tests.audit.trail import Event, read_events, read_records
from tests.support.accounts import Account, add_api_key
from tests.support.environment import environment
from tests.support.paths import ROOT

PASSWORD = "a password for the tests"


async def run(settings: Settings, *arguments: str, entered: bytes) -> subprocess.CompletedProcess[bytes]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=environment(settings),
        input=entered,
        capture_output=True,
        check=False,
    )


def run_in_terminal(settings: Settings, *arguments: str, typed: list[str]) -> tuple[int, str]:
    """Run the command on a pseudo-terminal; type each line when the command asks for it."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "app", *arguments]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=ROOT, env=environment(settings), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as child:
        os.close(theirs)
        try:
            shown = ""
            for number, line in enumerate(typed, 1):
                # The space comes from `getpass`, once it has hidden what is typed and discarded what was typed before.
                while shown.count(": ") < number:
                    shown += read_some(ours)
                os.write(ours, f"{line}\n".encode())
            while received := read_some(ours):
                shown += received
            return child.wait(30), shown
        finally:
            os.close(ours)
            child.kill()


def read_some(terminal: int) -> str:
    """Return what the terminal shows next; nothing at its end, which Linux reports as an error."""
    assert select.select([terminal], [], [], 30)[0], "the command shows nothing more"
    try:
        return os.read(terminal, 4096).decode()
    except OSError:
        return ""


async def sign_in(client: httpx.AsyncClient, email: str, password: str) -> int:
    form = {"grant_type": "password", "username": email, "password": password}
    return (await client.post("/v1/auth/token", data=form)).status_code


async def test_f56_create_user_reads_the_password_from_standard_input(
    client: httpx.AsyncClient, settings: Settings, sql: asyncpg.Connection
) -> None:
    ran = await run(settings, "create-user", "New@Example.com", entered=f"{PASSWORD}\r\nignored\n".encode())
    assert ran.returncode == 0, ran.stderr
    assert PASSWORD.encode() not in ran.stdout + ran.stderr
    assert await sign_in(client, "New@example.com", PASSWORD) == 200
    created = await sql.fetchval("SELECT id FROM users WHERE NOT is_admin")
    assert await read_events(sql) == [Event("account.create", f"/v1/users/{created}", None, {"is_admin": False})]
    assert await sql.fetchval("SELECT credential FROM audit_events WHERE actor IS NULL") == "command"
    assert str(await sql.fetchval("SELECT id FROM audit_events")) in read_records(settings)
    again = await run(settings, "create-user", "New@Example.com", entered=PASSWORD.encode())
    assert (again.returncode, again.stderr.count(b"\n")) == (1, 1)


async def test_f56_set_password_ends_all_sessions_and_api_keys(
    client: httpx.AsyncClient,
    settings: Settings,
    database: Database,
    make_account: Callable[..., Awaitable[Account]],
    sql: asyncpg.Connection,
) -> None:
    user, stranger = await make_account(), await make_account()
    headers = {"Authorization": f"Bearer {await add_api_key(database, user, 'read')}"}
    assert (await client.get("/v1/users/me", headers=headers)).status_code == 200
    ran = await run(settings, "set-password", user.email, entered=f"{PASSWORD}\n".encode())
    assert ran.returncode == 0, ran.stderr
    assert (await client.get("/v1/users/me", headers=headers)).status_code == 401
    assert (await user.client.get("/v1/users/me")).status_code == 401
    assert (await stranger.client.get("/v1/users/me")).status_code == 200
    assert await sign_in(client, user.email, PASSWORD) == 200
    assert await read_events(sql) == [Event("account.set_password", f"/v1/users/{user.id}")]


async def test_f56_a_terminal_asks_twice_and_shows_nothing(
    client: httpx.AsyncClient, settings: Settings, user: Account
) -> None:
    differs = await asyncio.to_thread(
        run_in_terminal, settings, "set-password", user.email, typed=[PASSWORD, "another password"]
    )
    assert differs[0] == 2
    assert (await user.client.get("/v1/users/me")).status_code == 200
    code, shown = await asyncio.to_thread(
        run_in_terminal, settings, "set-password", user.email, typed=[PASSWORD, PASSWORD]
    )
    assert code == 0, shown
    assert PASSWORD not in shown
    assert await sign_in(client, user.email, PASSWORD) == 200


@pytest.mark.parametrize(
    "entered",
    [
        b"",
        b"short\n",
        b"\xff" * 20,
        # Each is one more start of a process, which takes two seconds.
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (b"\n", b"password1\n", b"a\x00bcdefghijk\n", b"x" * 100_000)
        ),
    ],
)
async def test_f56_an_unacceptable_password_is_refused_in_one_line(entered: bytes, settings: Settings) -> None:
    ran = await run(settings, "set-password", "somebody@example.com", entered=entered)
    assert (ran.returncode, ran.stderr.count(b"\n")) == (2, 1), ran.stderr
    assert ran.stderr.startswith(b"The password ")


async def test_f56_an_unknown_account_is_refused_in_one_line(settings: Settings, sql: asyncpg.Connection) -> None:
    ran = await run(settings, "set-password", f"{uuid.uuid4().hex}@example.com", entered=PASSWORD.encode())
    assert (ran.returncode, ran.stderr.count(b"\n")) == (1, 1), ran.stderr
    assert await sql.fetchval("SELECT count(*) FROM users") == 0
