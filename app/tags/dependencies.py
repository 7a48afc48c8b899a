"""Builds the tag services for the endpoints."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from app.core.callers import current_caller
from app.core.errors import TooManyRequests
from app.http.container import container_of
from app.http.dependencies import ContainerDep, SessionDep
from app.http.problems import raising
from app.tags.admin_service import TagAdminService
from app.tags.changes.tag_change import TagChange
from app.tags.repository import TagRepository
from app.tags.tag_creator import TagCreator
from app.users.dependencies import AdminUser, AuditLogDep, DeviceDep, PrincipalDep


async def get_tags_repository(session: SessionDep) -> TagRepository:
    return TagRepository(session)


async def get_tags_reader(container: ContainerDep) -> AsyncIterator[TagRepository]:
    """Yield the repository of a request that only reads, within its queue and the time limit of searches."""
    # A queue of its own: autocompletion does not wait for searches.
    async with container.queues.tag_lists.enter(current_caller.get()), container.database.search_session() as session:
        yield TagRepository(session)


@raising(TooManyRequests)
async def get_tag_creator(request: Request, principal: PrincipalDep, device: DeviceDep) -> TagCreator:
    container = container_of(request)
    rates = container.settings.new_tag_limits
    return TagCreator(container.database, container.limits, rates, principal, device.address)


async def get_tag_admin_service(container: ContainerDep, audit: AuditLogDep) -> TagAdminService:
    return TagAdminService(container.database, audit)


async def get_tag_change(_admin: AdminUser, session: SessionDep, audit: AuditLogDep) -> TagChange:
    """Begin a change of tags in the request's transaction."""
    return await TagChange.begin(session, audit)


TagsRepo = Annotated[TagRepository, Depends(get_tags_repository)]
TagsReader = Annotated[TagRepository, Depends(get_tags_reader, scope="function")]
TagChangeDep = Annotated[TagChange, Depends(get_tag_change)]
TagCreatorDep = Annotated[TagCreator, Depends(get_tag_creator)]
TagAdminServiceDep = Annotated[TagAdminService, Depends(get_tag_admin_service)]
