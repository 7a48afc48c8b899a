from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends

from app.core.callers import current_caller
from app.core.errors import TooManyRequests
from app.http.dependencies import ServicesDep, SessionDep
from app.http.problems import raising
from app.tags.admin_service import TagAdminService
from app.tags.repository import TagRepository
from app.tags.tag_creator import TagCreator
from app.users.dependencies import AdminUser, DeviceDep, PrincipalDep


async def get_tags_repository(session: SessionDep) -> TagRepository:
    """Return the repository on the request's unit of work."""
    return TagRepository(session)


async def get_tags_reader(services: ServicesDep) -> AsyncIterator[TagRepository]:
    """Yield the repository for a request that only reads, in bounded time and in its turn."""
    # A queue of its own: completion does not wait for a search.
    async with services.queues.tag_lists.enter(current_caller.get()), services.database.search_session() as session:
        yield TagRepository(session)


@raising(TooManyRequests)
async def get_tag_creator(services: ServicesDep, principal: PrincipalDep, device: DeviceDep) -> TagCreator:
    """Return what makes tags for the caller."""
    rates = services.settings.new_tag_limits
    return TagCreator(services.database, services.limits, rates, principal, device.address)


async def get_tag_admin_service(_admin: AdminUser, session: SessionDep) -> TagAdminService:
    """Begin a change of the vocabulary in the request's unit of work."""
    return await TagAdminService.begin(session)


TagsRepo = Annotated[TagRepository, Depends(get_tags_repository)]
TagsReader = Annotated[TagRepository, Depends(get_tags_reader, scope="function")]
TagAdminServiceDep = Annotated[TagAdminService, Depends(get_tag_admin_service)]
TagCreatorDep = Annotated[TagCreator, Depends(get_tag_creator)]
