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
from app.http.container import Container, container_of


async def get_container(request: Request) -> Container:
    """Return the container that the lifespan opened."""
    return container_of(request)


ContainerDep = Annotated[Container, Depends(get_container)]


async def get_session(container: ContainerDep) -> AsyncIterator[AsyncSession]:
    """Yield the request's unit of work. It is committed once, before the response is sent."""
    async with container.database.unit_of_work() as session:
        yield session


async def get_reader(container: ContainerDep) -> AsyncIterator[AsyncSession]:
    """Yield a session for a request that only reads."""
    async with container.database.read_session() as session:
        yield session


async def get_settings(container: ContainerDep) -> Settings:
    """Return the configuration."""
    return container.settings


async def get_cursors(container: ContainerDep) -> CursorSigner:
    """Return the signer of page cursors."""
    return container.cursors


# With the default scope, the commit would run after the response, and a failed commit would still return 201.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
ReaderDep = Annotated[AsyncSession, Depends(get_reader, scope="function")]
SettingsDep = Annotated[Settings, Depends(get_settings)]
CursorsDep = Annotated[CursorSigner, Depends(get_cursors)]
