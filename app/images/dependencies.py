"""Builds the image services for the endpoints."""

from typing import Annotated

from fastapi import Depends, Request

from app.audit.image_audit import ImageAudit
from app.authz.principal import Principal
from app.core.errors import Unauthenticated
from app.http.container import Container, container_of
from app.http.dependencies import ContainerDep, ReaderDep
from app.http.problems import raising
from app.images.bulk.selection import ImageSelector
from app.images.content.original_source import OriginalLocator
from app.images.content.queued_decoders import QueuedDecoders
from app.images.content.renditions import Renditions
from app.images.content.thumbnails import Thumbnails
from app.images.repository import ImageRepository
from app.images.similar.service import SimilarImageService
from app.images.tags.service import ImageTagsService
from app.images.trash.service import TrashService
from app.images.upload.file_checker import FileChecker
from app.images.upload.image_creator import ImageCreator
from app.images.upload.service import UploadService
from app.ratelimit.policies import search_charges
from app.search.facets.facet_service import FacetService
from app.search.service import SearchService
from app.tags.dependencies import TagCreatorDep
from app.users.dependencies import AuditLogDep, PrincipalDep


async def get_images_reader(session: ReaderDep) -> ImageRepository:
    return ImageRepository(session)


async def get_image_audit(audit: AuditLogDep, principal: PrincipalDep) -> ImageAudit:
    return ImageAudit(audit, principal)


ImageAuditDep = Annotated[ImageAudit, Depends(get_image_audit)]


async def get_trash_service(container: ContainerDep, audit: ImageAuditDep) -> TrashService:
    has_trash = container.settings.trash_days > 0
    return TrashService(container.database, container.object_store, audit, has_trash=has_trash)


async def get_file_checker(request: Request) -> FileChecker:
    container = container_of(request)
    return FileChecker(container.object_store, decoders_of(container), container.settings.max_image_pixels)


FileCheckerDep = Annotated[FileChecker, Depends(get_file_checker)]


async def get_upload_service(request: Request, checker: FileCheckerDep, tag_creator: TagCreatorDep) -> UploadService:
    # Not by a dependency: FastAPI resolves all of those below another one again, wherever that occurs.
    container = container_of(request)
    creator = ImageCreator(container.database, tag_creator)
    return UploadService(container.database, container.object_store, checker, creator, container.settings)


async def get_original_locator(container: ContainerDep) -> OriginalLocator:
    strips = container.settings.strip_metadata
    return OriginalLocator(container.object_store, renditions_of(container), strip_metadata=strips)


async def get_similar_image_service(container: ContainerDep) -> SimilarImageService:
    return similar_image_service_of(container)


def similar_image_service_of(container: Container) -> SimilarImageService:
    """Build the search for similar images from the open backends."""
    return SimilarImageService(container.database, container.queues.searches)


async def get_thumbnails(container: ContainerDep) -> Thumbnails:
    return Thumbnails(container.object_store, decoders_of(container), renditions_of(container))


def decoders_of(container: Container) -> QueuedDecoders:
    """Build the queued decoders from the open backends."""
    return QueuedDecoders(container.decoders, container.queues.decoders)


def renditions_of(container: Container) -> Renditions:
    """Build the renditions from the open backends."""
    return Renditions(container.database, container.object_store, container.renditions)


def image_selector_of(container: Container) -> ImageSelector:
    """Build the selector of bulk changes from the open backends."""
    return ImageSelector(container.database, container.search, container.queues.searches)


async def get_image_tags_service(
    container: ContainerDep, tag_creator: TagCreatorDep, audit: ImageAuditDep
) -> ImageTagsService:
    selector = image_selector_of(container)
    return ImageTagsService(container.database, selector, tag_creator, container.queues.bulk_edits, audit)


async def charge_search(request: Request, container: Container, principal: Principal) -> None:
    """Count a search for the rate limit. No dependency: FastAPI takes 0.1 ms for each. Raises TooManyRequests."""
    address = request.client.host if request.client else None
    await container.limits.charge(search_charges(container.settings.search_limits, principal.id, address))


def search_service_of(container: Container) -> SearchService:
    """Build the search service from the open backends."""
    seconds = container.settings.search_timeout_ms / 1000
    return SearchService(container.database, container.search, container.queues.searches, seconds)


async def get_facet_service(container: ContainerDep) -> FacetService:
    seconds = container.settings.search_timeout_ms / 1000
    return FacetService(container.database, container.search, container.queues.searches, seconds)


@raising(Unauthenticated)
async def get_uploader(principal: PrincipalDep, request: Request) -> Principal:
    """Return who uploads: an account, or anyone where the settings allow it. Raises Unauthenticated."""
    if principal.user is None and not container_of(request).settings.anonymous_upload:
        raise Unauthenticated
    return principal


ImagesReader = Annotated[ImageRepository, Depends(get_images_reader)]
TrashServiceDep = Annotated[TrashService, Depends(get_trash_service)]
Uploader = Annotated[Principal, Depends(get_uploader)]
UploadServiceDep = Annotated[UploadService, Depends(get_upload_service)]
ImageTagsServiceDep = Annotated[ImageTagsService, Depends(get_image_tags_service)]
OriginalLocatorDep = Annotated[OriginalLocator, Depends(get_original_locator)]
FacetServiceDep = Annotated[FacetService, Depends(get_facet_service)]
SimilarImageServiceDep = Annotated[SimilarImageService, Depends(get_similar_image_service)]
ThumbnailsDep = Annotated[Thumbnails, Depends(get_thumbnails)]
