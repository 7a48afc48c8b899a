"""The dependencies that every feature shares.

All dependencies are `async`, even those that await nothing. FastAPI runs a plain function in a thread, and that switch
costs more than most endpoints.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import CursorSigner
from app.core.settings import Settings
from app.http.container import Services, services_of


async def get_services(request: Request) -> Services:
    """Return the services that the lifespan opened."""
    return services_of(request)


ServicesDep = Annotated[Services, Depends(get_services)]


async def get_session(services: ServicesDep) -> AsyncIterator[AsyncSession]:
    """Yield the request's unit of work. It is committed once, before the response is sent."""
    async with services.database.unit_of_work() as session:
        yield session


async def get_reader(services: ServicesDep) -> AsyncIterator[AsyncSession]:
    """Yield a session for a request that only reads."""
    async with services.database.read_session() as session:
        yield session


async def get_settings(services: ServicesDep) -> Settings:
    """Return the configuration."""
    return services.settings


async def get_cursors(services: ServicesDep) -> CursorSigner:
    """Return the signer of page cursors."""
    return services.cursors


# With the default scope, the commit would run after the response, and a failed commit would still return 201.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
ReaderDep = Annotated[AsyncSession, Depends(get_reader, scope="function")]
SettingsDep = Annotated[Settings, Depends(get_settings)]
CursorsDep = Annotated[CursorSigner, Depends(get_cursors)]
