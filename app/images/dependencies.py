from typing import Annotated

from fastapi import Depends

from app.authz.principal import Principal
from app.core.errors import Unauthenticated
from app.http.dependencies import ReaderDep, ServicesDep, SessionDep
from app.http.problems import raising
from app.images.delete_service import DeleteService
from app.images.repository import ImageRepository
from app.images.upload.service import UploadService
from app.tags.dependencies import TagCreatorDep
from app.users.dependencies import PrincipalDep


async def get_images_repository(session: SessionDep) -> ImageRepository:
    """Return the repository on the request's unit of work."""
    return ImageRepository(session)


async def get_images_reader(session: ReaderDep) -> ImageRepository:
    """Return the repository for a request that only reads."""
    return ImageRepository(session)


async def get_delete_service(services: ServicesDep) -> DeleteService:
    """Return the service that moves bytes and rows together."""
    return DeleteService(services)


async def get_upload_service(services: ServicesDep, tag_creator: TagCreatorDep) -> UploadService:
    """Return the service that makes images of uploads."""
    return UploadService(services, tag_creator)


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
