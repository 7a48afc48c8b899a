"""Builds the upload services for the endpoints."""

from typing import Annotated

from fastapi import Depends, Request

from app.http.container import container_of
from app.images.dependencies import FileCheckerDep
from app.images.upload.image_creator import ImageCreator
from app.tags.dependencies import TagCreatorDep
from app.uploads.appending.active_appends import UploadLock
from app.uploads.completion import UploadCompletion
from app.uploads.open_uploads import OpenUploads
from app.uploads.service import ResumableUploads


async def get_open_uploads(request: Request) -> OpenUploads:
    container = container_of(request)
    lock = UploadLock(container.database, request.state.active_appends)
    return OpenUploads(container.database, container.object_store, lock)


OpenUploadsDep = Annotated[OpenUploads, Depends(get_open_uploads)]


async def get_resumable_uploads(
    request: Request, open_uploads: OpenUploadsDep, checker: FileCheckerDep, tag_creator: TagCreatorDep
) -> ResumableUploads:
    container = container_of(request)
    database, object_store = container.database, container.object_store
    completion = UploadCompletion(database, object_store, checker, ImageCreator(database, tag_creator))
    appends = request.state.active_appends
    return ResumableUploads(database, object_store, open_uploads, completion, appends, container.settings)


ResumableUploadsDep = Annotated[ResumableUploads, Depends(get_resumable_uploads)]
