"""Builds the upload services for the endpoints."""

from typing import Annotated

from fastapi import Depends, Request

from app.http.dependencies import ContainerDep
from app.images.dependencies import FileCheckerDep, ImageCreatorDep
from app.uploads.active_appends import ActiveAppends
from app.uploads.completion import UploadCompletion
from app.uploads.service import ResumableUploads


async def get_resumable_uploads(
    request: Request, container: ContainerDep, checker: FileCheckerDep, creator: ImageCreatorDep
) -> ResumableUploads:
    completion = UploadCompletion(container.database, container.object_store, checker, creator)
    appends: ActiveAppends = request.state.active_appends
    return ResumableUploads(container.database, container.object_store, completion, appends, container.settings)


ResumableUploadsDep = Annotated[ResumableUploads, Depends(get_resumable_uploads)]
