"""Fixtures of the account tests."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.core.identity_providers import IdentityProvider
from app.core.settings import Settings
from tests.support.server import RunningService, running_service
from tests.users.openid_server import CLIENT_ID, CLIENT_SECRET, OpenIdServer, openid_server

CALLBACK = "/v1/auth/social/local/callback"


@pytest.fixture(scope="session")
async def _provider(settings: Settings) -> AsyncIterator[OpenIdServer]:
    async with openid_server(settings.public_url + CALLBACK) as provider:
        yield provider


@pytest.fixture
def provider(_provider: OpenIdServer) -> OpenIdServer:
    """An honest OpenID Connect provider."""
    _provider.reset()
    return _provider


@pytest.fixture(scope="session")
async def _social_service(settings: Settings, _provider: OpenIdServer) -> AsyncIterator[RunningService]:
    local = IdentityProvider(issuer=_provider.issuer, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET))
    down = local.model_copy(update={"issuer": "http://127.0.0.1:9"})
    providers = {"local": local, "down": down}
    async with running_service(settings.model_copy(update={"social_providers": providers})) as service:
        yield service


@pytest.fixture
async def social_service(_social_service: RunningService, sql: asyncpg.Connection) -> RunningService:  # noqa: ARG001
    """The service with the provider `local` and one that is down, on the worker's emptied database."""
    return _social_service


@pytest.fixture
async def browser(social_service: RunningService, provider: OpenIdServer) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    """A browser that keeps its cookies and shows each redirect."""
    async with httpx.AsyncClient(base_url=social_service.url) as browser:
        yield browser
