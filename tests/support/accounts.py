"""Accounts for tests."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import httpx
from passlib.hash import bcrypt_sha256

from app.core.security import AccessClaims, AccessTokens, Audience, digest_token, new_opaque_token
from app.core.settings import Settings
from app.db.database import Database
from app.users.accounts.repository import UserRepository
from app.users.api_keys.repository import ApiKeyRepository
from app.users.authentication import API_KEY_PREFIX
from app.users.sessions.repository import Device, UserSessionRepository

PASSWORD = "correct horse battery staple"


@dataclass(slots=True)
class Account:
    """An account and a client that is signed in as it; `ops_cookie` is the value that the operators' page gives."""

    id: uuid.UUID
    email: str
    session_id: uuid.UUID
    access_token: str
    client: httpx.AsyncClient
    ops_cookie: str


async def add_account(url: str, settings: Settings, database: Database, email: str, *, is_admin: bool) -> Account:
    """Insert an account with the password PASSWORD and an open session."""
    async with database.unit_of_work() as session:
        repository = UserRepository(session)
        user = await repository.add(email, _cheap_hash())
        user.is_admin = is_admin
        digest = digest_token(new_opaque_token())
        opened = await UserSessionRepository(session).add(uuid.uuid4(), user.id, digest, timedelta(days=1), Device())
    tokens = AccessTokens(settings.jwt_secret.get_secret_value(), settings.access_token_seconds)
    claims = AccessClaims(user.id, opened.id)
    token = tokens.issue(claims)
    cookie = tokens.issue(claims, audience=Audience.OPS)
    client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"})
    return Account(user.id, email, opened.id, token, client, cookie)


@cache
def _cheap_hash() -> str:
    return str(bcrypt_sha256.using(rounds=4).hash(PASSWORD))  # type: ignore[no-untyped-call]


async def add_api_key(database: Database, account: Account, *scopes: str) -> str:
    """Insert an API key of the account and return it."""
    key = API_KEY_PREFIX + new_opaque_token()
    async with database.unit_of_work() as session:
        await ApiKeyRepository(session).add(account.id, "test", digest_token(key), scopes, None)
    return key
