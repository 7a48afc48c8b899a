"""Builds the services of the gallery for its pages."""

from typing import Annotated

from fastapi import Depends

from app.gallery.account_overview import AccountOverview
from app.gallery.service import Gallery
from app.http.dependencies import ContainerDep
from app.images.dependencies import search_service_of


async def get_gallery(container: ContainerDep) -> Gallery:
    return Gallery(container.database, search_service_of(container), container.cursors)


GalleryDep = Annotated[Gallery, Depends(get_gallery)]


async def get_account_overview(container: ContainerDep) -> AccountOverview:
    return AccountOverview(container.database, container.settings)


AccountOverviewDep = Annotated[AccountOverview, Depends(get_account_overview)]
