"""Builds the image services for the endpoints."""

from typing import Annotated

from fastapi import Depends

from app.authz.principal import Principal
from app.core.errors import Unauthenticated
from app.http.container import Services
from app.http.dependencies import ReaderDep, ServicesDep, SessionDep
from app.http.problems import raising
from app.images.content.original_source import OriginalLocator
from app.images.content.queued_decoders import QueuedDecoders
from app.images.content.renditions import Renditions
from app.images.content.thumbnails import Thumbnails
from app.images.delete_service import DeleteService
from app.images.repository import ImageRepository
from app.images.tags_service import ImageTagsService
from app.images.upload.service import UploadService
from app.tags.dependencies import TagCreatorDep
from app.users.dependencies import PrincipalDep


async def get_images_repository(session: SessionDep) -> ImageRepository:
    return ImageRepository(session)


async def get_images_reader(session: ReaderDep) -> ImageRepository:
    return ImageRepository(session)


async def get_delete_service(services: ServicesDep) -> DeleteService:
    return DeleteService(services.database, services.object_store)


async def get_upload_service(services: ServicesDep, tag_creator: TagCreatorDep) -> UploadService:
    return UploadService(
        services.database, services.object_store, decoders_of(services), tag_creator, services.settings
    )


async def get_original_locator(services: ServicesDep) -> OriginalLocator:
    strips = services.settings.strip_metadata
    return OriginalLocator(services.object_store, renditions_of(services), strip_metadata=strips)


async def get_thumbnails(services: ServicesDep) -> Thumbnails:
    return Thumbnails(services.object_store, decoders_of(services), renditions_of(services))


def decoders_of(services: Services) -> QueuedDecoders:
    """Build the queued decoders from the open backends."""
    return QueuedDecoders(services.decoders, services.queues.decoders)


def renditions_of(services: Services) -> Renditions:
    """Build the renditions from the open backends."""
    return Renditions(services.database, services.object_store, services.renditions)


async def get_image_tags_service(services: ServicesDep, tag_creator: TagCreatorDep) -> ImageTagsService:
    return ImageTagsService(
        services.database,
        services.search,
        tag_creator,
        search_queue=services.queues.searches,
        bulk_edit_queue=services.queues.bulk_edits,
    )


@raising(Unauthenticated)
async def get_uploader(principal: PrincipalDep, services: ServicesDep) -> Principal:
    """Return who uploads: an account, or anyone where the settings allow it. Raises Unauthenticated."""
    if principal.user is None and not services.settings.anonymous_upload:
        raise Unauthenticated
    return principal


ImagesRepo = Annotated[ImageRepository, Depends(get_images_repository)]
ImagesReader = Annotated[ImageRepository, Depends(get_images_reader)]
DeleteServiceDep = Annotated[DeleteService, Depends(get_delete_service)]
Uploader = Annotated[Principal, Depends(get_uploader)]
UploadServiceDep = Annotated[UploadService, Depends(get_upload_service)]
ImageTagsServiceDep = Annotated[ImageTagsService, Depends(get_image_tags_service)]
OriginalLocatorDep = Annotated[OriginalLocator, Depends(get_original_locator)]
ThumbnailsDep = Annotated[Thumbnails, Depends(get_thumbnails)]
