"""K9: each credential has a purpose, an owner and a revocation. One matrix: every credential, every event."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.core.identity_providers import IdentityProvider
from app.core.security import AccessClaims, AccessTokens, Audience, RefreshTokens, digest_token, new_opaque_token
from app.core.settings import Settings
from app.db.base import Base
from app.db.database import Database
from app.models import LinkPurpose
from app.users.account_mail.repository import MailedLinkRepository
from app.users.accounts.repository import UserRepository
from app.users.sessions.repository import UserSessionRepository
from tests.kinds.credentials import (
    AFTER,
    CREDENTIALS,
    EVENTS,
    LINKED,
    OWN_PLACE,
    PLACES,
    Left,
    World,
    start_social_login,
)
from tests.support.accounts import Account, add_api_key
from tests.support.photos import png
from tests.support.server import RunningService, running_service
from tests.users.openid_server import CLIENT_ID, CLIENT_SECRET, OpenIdServer, openid_server

MakeWorld = Callable[[bool], Awaitable[World]]


@pytest.fixture(scope="module")
async def provider(settings: Settings) -> AsyncIterator[OpenIdServer]:
    async with openid_server(f"{settings.public_url}/v1/auth/social/local/callback") as provider:
        yield provider


@pytest.fixture(scope="module")
async def inviting(settings: Settings, provider: OpenIdServer) -> AsyncIterator[RunningService]:
    """A service with an identity provider, where sign-up needs an invitation."""
    local = IdentityProvider(issuer=provider.issuer, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET))
    changes = {"social_providers": {"local": local}, "sign_up": "invite"}
    async with running_service(settings.model_copy(update=changes)) as service:
        yield service


@pytest.fixture
async def make_world(
    inviting: RunningService,
    provider: OpenIdServer,
    make_account: Callable[..., Awaitable[Account]],
    settings: Settings,
    database: Database,
    sql: asyncpg.Connection,
) -> AsyncIterator[MakeWorld]:
    clients: list[httpx.AsyncClient] = []

    def connect(token: str | None = None) -> httpx.AsyncClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        clients.append(httpx.AsyncClient(base_url=inviting.url, headers=headers))
        return clients[-1]

    async def open_session(account: Account) -> tuple[str, str]:
        """Return the session's access token and refresh token."""
        secret, session_id = settings.jwt_secret.get_secret_value(), uuid.uuid4()
        refresh = RefreshTokens(secret).issue(session_id)
        async with database.unit_of_work() as session:
            digest = digest_token(refresh)
            await UserSessionRepository(session).add(session_id, account.id, digest, timedelta(days=1))
        return AccessTokens(secret, 900).issue(AccessClaims(account.id, session_id)), refresh

    async def make(is_admin: bool) -> World:
        account, admin = await make_account(is_admin=is_admin), await make_account(is_admin=True)
        token, _refresh = await open_session(account)
        tokens = AccessTokens(settings.jwt_secret.get_secret_value(), 900)
        cookie = tokens.issue(tokens.read(token), audience=Audience.GALLERY)
        world = World(account, connect(token), cookie, admin, connect(), connect(), provider, sql, {})
        world.secrets = await _issue(world, settings, database)
        return world

    provider.reset()
    yield make
    for client in clients:
        await client.aclose()


async def _issue(world: World, settings: Settings, database: Database) -> dict[str, str]:
    """Return one secret for each credential. The first session of the account issued them all."""
    account = world.account
    refresh = RefreshTokens(settings.jwt_secret.get_secret_value()).issue(account.session_id)
    await world.sql.execute(
        "UPDATE user_sessions SET refresh_digest = $1 WHERE id = $2", digest_token(refresh), account.session_id
    )
    await world.sql.execute(
        "INSERT INTO social_identities (issuer, subject, provider, user_id) VALUES ($1, $2, 'local', $3)",
        world.provider.issuer,
        LINKED,
        account.id,
    )
    form = {"visibility": "private"}
    stored = await account.client.post("/v1/images", files={"image": ("k9.png", png(), "image/png")}, data=form)
    invited = await account.client.post("/v1/users/invitations", json={})
    links = {purpose: new_opaque_token() for purpose in LinkPurpose}
    async with database.unit_of_work() as session:
        user = await UserRepository(session).get_for_change(account.id)
        for purpose, token in links.items():
            await MailedLinkRepository(session).add(token, user, purpose)
    return {
        "access token": account.access_token,
        "refresh token": refresh,
        "key": await add_api_key(database, account, "read"),
        "admin key": await add_api_key(database, account, "read", "admin"),
        "ops cookie": account.ops_cookie,
        "gallery cookie": AccessTokens(settings.jwt_secret.get_secret_value(), 900).issue(
            AccessClaims(account.id, account.session_id), audience=Audience.GALLERY
        ),
        "identity": LINKED,
        "link in progress": await start_social_login(world, {"Authorization": f"Bearer {account.access_token}"}),
        "presigned URL": (await account.client.get(f"{stored.json()['links']['self']}/url")).json()["url"],
        "invitation": invited.json().get("code", "none"),
        "verification link": links[LinkPurpose.EMAIL_VERIFICATION],
        "reset link": links[LinkPurpose.PASSWORD_RESET],
    }


def test_k9_every_pair_has_a_rule() -> None:
    assert AFTER.keys() == EVENTS.keys()
    assert {name for row in AFTER.values() for name in row} == CREDENTIALS.keys()
    assert {one.audience for one in CREDENTIALS.values()} >= set(Audience)


def test_k9_every_stored_secret_belongs_to_a_credential() -> None:
    """A table with an account and a digest stores a secret."""
    known = {table.__tablename__ for one in CREDENTIALS.values() for table in one.tables}
    owners = {"users", "sessions"}
    secret = {
        name
        for name, table in Base.metadata.tables.items()
        if any(column.name.endswith("_digest") for column in table.columns)
        and owners & {key.column.table.name for key in table.foreign_keys}
    }
    assert len(secret) >= 3
    assert secret <= known


@pytest.mark.parametrize("event", EVENTS)
async def test_k9_what_an_event_leaves_of_each_credential(event: str, make_world: MakeWorld) -> None:
    world = await make_world(event != "promotion")
    done = await EVENTS[event](world)
    assert done.is_success, done.text
    left = {name: await one.use(world, world.secrets[name]) for name, one in CREDENTIALS.items()}
    assert left == AFTER[event]


async def test_k9_a_credential_is_refused_in_the_place_of_another(make_world: MakeWorld) -> None:
    world = await make_world(True)
    accepted = [
        (name, place)
        for name, own in OWN_PLACE.items()
        for place, use in PLACES.items()
        if place != own and await use(world, world.secrets[name]) is not Left.ENDED
    ]
    assert accepted == []
