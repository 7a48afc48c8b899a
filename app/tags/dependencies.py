from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ServicesDep, SessionDep
from app.tags.changes import VocabularyChange
from app.tags.repository import TagRepository
from app.users.dependencies import AdminUser, DeviceDep
from app.users.limits import network


async def get_tags_repository(session: SessionDep) -> TagRepository:
    """Return the repository on the request's unit of work."""
    return TagRepository(session)


async def get_tags_reader(services: ServicesDep, device: DeviceDep) -> AsyncIterator[TagRepository]:
    """Yield the repository for a request that only reads, in bounded time and in its turn."""
    # Turns of their own: who types a tag does not wait for a search.
    turn = services.search_turns.take(f"tags {network(device.address)}")
    async with turn, services.database.searcher() as session:
        yield TagRepository(session)


async def get_change(_admin: AdminUser, session: SessionDep) -> VocabularyChange:
    """Begin a change of the vocabulary in the request's unit of work."""
    return await VocabularyChange.begin(session)


TagsRepo = Annotated[TagRepository, Depends(get_tags_repository)]
TagsReader = Annotated[TagRepository, Depends(get_tags_reader, scope="function")]
ChangeDep = Annotated[VocabularyChange, Depends(get_change)]
