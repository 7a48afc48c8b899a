from typing import Annotated

from fastapi import Depends

from app.authz.principal import Viewer
from app.core.errors import Unauthenticated
from app.http.dependencies import ReaderDep, ServicesDep, SessionDep
from app.http.problems import raising
from app.images.delete_service import ImageService
from app.images.repository import ImageRepository
from app.images.upload.service import Uploads
from app.tags.dependencies import NewTagsDep
from app.users.dependencies import ViewerDep


async def get_images_repository(session: SessionDep) -> ImageRepository:
    """Return the repository on the request's unit of work."""
    return ImageRepository(session)


async def get_images_reader(session: ReaderDep) -> ImageRepository:
    """Return the repository for a request that only reads."""
    return ImageRepository(session)


async def get_image_service(services: ServicesDep) -> ImageService:
    """Return the service that moves bytes and rows together."""
    return ImageService(services)


async def get_uploads(services: ServicesDep, new_tags: NewTagsDep) -> Uploads:
    """Return the service that makes images of uploads."""
    return Uploads(services, new_tags)


@raising(Unauthenticated)
async def get_uploader(viewer: ViewerDep, services: ServicesDep) -> Viewer:
    """Return who uploads: an account, or anyone where the settings allow it. Raises Unauthenticated."""
    if viewer.user is None and not services.settings.anonymous_upload:
        raise Unauthenticated
    return viewer


ImagesRepo = Annotated[ImageRepository, Depends(get_images_repository)]
ImagesReader = Annotated[ImageRepository, Depends(get_images_reader)]
ImageServiceDep = Annotated[ImageService, Depends(get_image_service)]
Uploader = Annotated[Viewer, Depends(get_uploader)]
UploadsDep = Annotated[Uploads, Depends(get_uploads)]
