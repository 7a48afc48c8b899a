"""Logins that have run out are forgotten, with the addresses that they hold."""

import asyncio

import asyncpg
import pytest

from app.core.settings import Settings
from tests.support.accounts import Account
from tests.support.server import running_service

pytestmark = pytest.mark.integration

SESSIONS = """
    INSERT INTO user_sessions (id, user_id, refresh_digest, expires_at, address)
    SELECT gen_random_uuid(), $1, sha256(n::text::bytea), now() - n * interval '1 minute', '192.0.2.7'
    FROM generate_series(0, 6) n
"""
SIGN_INS = """
    INSERT INTO oauth_flows (state_digest, browser_digest, provider, nonce, code_verifier, session_id, expires_at)
    SELECT sha256(n::text::bytea), '', '', '', '', $1, now() + n * interval '10 minutes' FROM generate_series(-4, 1) n
"""
LEFT = "SELECT (SELECT count(*) FROM user_sessions), (SELECT count(*) FROM oauth_flows)"


async def test_expired_sessions_and_links_are_deleted(
    settings: Settings, user: Account, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.users.sessions.session_cleanup.BATCH", 3)
    await sql.execute(SESSIONS, user.id)
    await sql.execute(SIGN_INS, user.session_id)
    async with running_service(settings.model_copy(update={"sweep_interval_seconds": 0.1})), asyncio.timeout(30):
        while tuple(await sql.fetchrow(LEFT)) != (1, 1):
            await asyncio.sleep(0.05)
    assert (await user.client.get("/v1/users/me")).status_code == 200
