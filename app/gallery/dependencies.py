"""Builds the services of the gallery for its pages."""

from typing import Annotated

from fastapi import Depends, Request

from app.administration.account_deletion import AccountDeletion
from app.audit.audit_log import AuditLog, author_of
from app.gallery.account_overview import AccountOverview
from app.gallery.gallery_cookie import Member
from app.gallery.service import Gallery
from app.http.dependencies import ContainerDep
from app.images.dependencies import search_service_of


async def get_gallery(container: ContainerDep) -> Gallery:
    return Gallery(container.database, search_service_of(container), container.cursors)


GalleryDep = Annotated[Gallery, Depends(get_gallery)]


async def get_account_overview(container: ContainerDep) -> AccountOverview:
    return AccountOverview(container.database, container.settings)


AccountOverviewDep = Annotated[AccountOverview, Depends(get_account_overview)]


async def get_account_deletion(request: Request, member: Member, container: ContainerDep) -> AccountDeletion:
    """Return the deletion, whose audit log names the session of the cookie."""
    audit = AuditLog(author_of(member, request.state.request_id), container.recorder.audit.add)
    return AccountDeletion(container.database, container.object_store, audit)


AccountDeletionDep = Annotated[AccountDeletion, Depends(get_account_deletion)]
