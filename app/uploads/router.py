"""The endpoints of resumable uploads."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import (
    MethodNotAllowed,
)
from app.core.settings import Settings
from app.http.container import Container
from app.http.dependencies import ContainerDep, SettingsDep
from app.http.links import public_path
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.slow_body import read_body, upload_rate
from app.images.dependencies import Uploader
from app.images.responses import UPLOAD_ERRORS
from app.images.schemas import ImageUploaded, to_uploaded
from app.ratelimit.policies import upload_charges
from app.uploads.appending.append import Append
from app.uploads.appending.inspection import CHECKSUM_ALGORITHMS
from app.uploads.dependencies import OpenUploadsDep, ResumableUploadsDep
from app.uploads.errors import (
    AppendSuperseded,
    ChecksumFailed,
    DigestFailed,
    InconsistentLength,
    InvalidUploadHeader,
    OffsetMismatch,
    TooManyUploads,
    UnsupportedUploadVersion,
    UploadEnded,
    UploadNotFound,
)
from app.uploads.open_uploads import Progress
from app.uploads.protocols.resumable_http import (
    INTEROP_VERSION,
    ResumableHttp,
    limits_field,
    refuse_state_fields,
    stored_image_response,
)
from app.uploads.protocols.tus import EXTENSIONS, VERSION, Tus
from app.uploads.protocols.upload_protocol import UploadProtocol
from app.uploads.protocols.upload_route import UploadRoute, check_version
from app.uploads.schemas import UploadList
from app.uploads.service import NewUpload, ResumableUploads
from app.users.dependencies import CurrentUser, DeviceDep

_BYTES = {"schema": {"type": "string", "format": "binary"}}

router = PrefixRouter(prefix="/uploads", tags=["uploads"], route_class=UploadRoute)

_FILE_ERRORS = (
    *UPLOAD_ERRORS,
    AppendSuperseded,
    ChecksumFailed,
    DigestFailed,
    InconsistentLength,
    InvalidUploadHeader,
    UnsupportedUploadVersion,
)


def get_protocol(request: Request, _principal: Uploader) -> UploadProtocol:
    """Return the protocol that the route has found. Errors of the credentials precede those of its version."""
    check_version(request)
    protocol: UploadProtocol = request.state.upload_protocol
    return protocol


ProtocolDep = Annotated[UploadProtocol, Depends(get_protocol)]


class UploadRequest:
    """A request that sends bytes of an upload."""

    def __init__(
        self, request: Request, container: ContainerDep, uploads: ResumableUploadsDep, principal: Uploader
    ) -> None:
        self.request = request
        self.principal: Principal = principal
        self._container: Container = container
        self.uploads: ResumableUploads = uploads

    async def create(self, new: NewUpload, append: Append, announce: Callable[[uuid.UUID], None]) -> Progress:
        """Create an upload with the body, after it has its slot."""
        async with self._body() as body:
            return await self.uploads.create_and_append(new, append, body, self.principal, announce)

    async def append(self, upload_id: uuid.UUID, append: Append) -> Progress:
        """Append the body, after the upload has its slot."""
        async with self._body() as body:
            return await self.uploads.append(upload_id, append, body, self.principal)

    @asynccontextmanager
    async def _body(self) -> AsyncIterator[AsyncGenerator[bytes]]:
        """Yield the body. No byte of it is read before the upload has its slot."""
        queue = self._container.queues.uploads
        rate = upload_rate(self._container.settings, queue, self._container.settings.upload_expiry_hours * 3600)
        async with queue.enter(current_caller.get()):
            yield read_body(self.request, rate)


UploadRequestDep = Annotated[UploadRequest, Depends()]


@router.options("", summary="Discover the upload protocols", status_code=204)
async def discover_uploads(settings: SettingsDep) -> Response:
    """Return the versions, extensions and limits of both protocols."""
    return Response(status_code=204, headers=_capabilities(settings, "GET, HEAD, OPTIONS, POST"))


@router.options("/{_upload_id}", include_in_schema=False)
async def discover_upload(_upload_id: uuid.UUID, settings: SettingsDep) -> Response:
    """Return the same for one upload."""
    return Response(status_code=204, headers=_capabilities(settings, "DELETE, GET, HEAD, OPTIONS, PATCH, POST"))


@router.get("", summary="List own uploads in progress", responses=problems())
async def list_uploads(user: CurrentUser, uploads: OpenUploadsDep) -> UploadList:
    """Return the uploads in progress of the account, oldest first."""
    return UploadList.of(await uploads.list_open(user.id))


def _parameters(**descriptions: str) -> dict[str, Any]:
    return {
        "parameters": [
            {
                "name": name.replace("_", "-"),
                "in": "header",
                "required": False,
                "description": text,
                "schema": {"type": "string"},
            }
            for name, text in descriptions.items()
        ]
    }


@router.post(
    "",
    status_code=201,
    summary="Create an upload",
    response_class=Response,
    responses={
        201: {"model": ImageUploaded, "description": "The new upload, or its image if the upload is complete."},
        200: {"model": ImageUploaded, "description": "An image that has these bytes already."},
        **problems(TooManyUploads, *_FILE_ERRORS),
    },
    openapi_extra={
        **_parameters(
            Tus_Resumable=f"`{VERSION}` for tus 1.0.0.",
            Upload_Length="The length of the file in bytes.",
            Upload_Defer_Length="`1` if the length follows later (tus).",
            Upload_Metadata="Pairs of a key and a Base64 value: filename, tags, visibility, on_conflict, sha256.",
            Upload_Complete="`?1` if the body is the whole file, else `?0` (Resumable Uploads for HTTP).",
            Upload_Checksum="The algorithm and the Base64 digest of the body (tus).",
            Upload_Draft_Interop_Version="`8` for an interim response 104 with the location.",
        ),
        "requestBody": {"content": {Tus.media_type: _BYTES}},
    },
)
async def create_upload(
    upload_request: UploadRequestDep,
    protocol: ProtocolDep,
    uploads: ResumableUploadsDep,
    open_uploads: OpenUploadsDep,
    container: ContainerDep,
    device: DeviceDep,
) -> Response:
    """Create an upload, by tus 1.0.0 or by Resumable Uploads for HTTP, and append the body.

    Without a file name, the name of the image is the id of the upload. If a visible image has the declared `sha256`, no
    bytes are needed.
    """
    request, principal = upload_request.request, upload_request.principal
    settings = container.settings
    await container.limits.charge(upload_charges(settings.upload_limits, principal.id, device.address))
    new, append = protocol.parse_creation(request.headers)
    if new.sha256 and (stored := await open_uploads.find_stored(new.sha256, principal)):
        image = to_uploaded(*stored)
        if not isinstance(protocol, Tus):
            return stored_image_response(image)
        if (complete := await uploads.create_stored(new, principal, stored.image)) is not None:
            return protocol.created(complete, _location(request, complete.upload.id), image)
    if append is None:
        progress = await uploads.create(new, principal)
    else:
        progress = await upload_request.create(
            new, append, lambda upload_id: _send_interim(request, _location(request, upload_id), settings)
        )
    return protocol.created(progress, _location(request, progress.upload.id), _image(progress))


@router.get(
    "/{upload_id}",
    status_code=204,
    summary="Get the offset of an upload",
    response_class=Response,
    responses={
        200: {"description": "The same, by tus 1.0.0."},
        **problems(UploadNotFound, UploadEnded, UnsupportedUploadVersion),
    },
)
async def read_upload(
    request: Request, upload_id: uuid.UUID, principal: Uploader, protocol: ProtocolDep, uploads: OpenUploadsDep
) -> Response:
    """Return the offset at which the client continues. A request that still appends is terminated."""
    if not isinstance(protocol, Tus):
        refuse_state_fields(request.headers)
    return protocol.state(await uploads.get(upload_id, principal))


@router.patch(
    "/{upload_id}",
    status_code=204,
    summary="Append to an upload",
    response_class=Response,
    responses={
        201: {"model": ImageUploaded, "description": "The image of the upload, which is complete."},
        **problems(UploadNotFound, UploadEnded, OffsetMismatch, *_FILE_ERRORS),
    },
    openapi_extra={
        **_parameters(
            Tus_Resumable=f"`{VERSION}` for tus 1.0.0.",
            Upload_Offset="The offset of the first byte of the body.",
            Upload_Complete="`?1` if the upload ends with the body, else `?0` (Resumable Uploads for HTTP).",
            Upload_Length="The length of the file in bytes, if it was not declared before.",
            Upload_Checksum="The algorithm and the Base64 digest of the body (tus).",
        ),
        "requestBody": {"content": dict.fromkeys((Tus.media_type, ResumableHttp.media_type), _BYTES)},
    },
)
async def append_to_upload(
    upload_id: uuid.UUID, upload_request: UploadRequestDep, protocol: ProtocolDep, uploads: OpenUploadsDep
) -> Response:
    """Append the body at the offset. The request that reaches the length creates the image.

    Of two concurrent requests, the later wins and the earlier is terminated.
    """
    progress = await upload_request.append(upload_id, protocol.parse_append(upload_request.request.headers))
    image = _image(progress)
    if image is None and progress.upload.image_id is not None:
        # The client repeats a request whose response was lost.
        image = to_uploaded(*await uploads.get_image(progress.upload.image_id, upload_request.principal))
    return protocol.appended(progress, image)


@router.delete(
    "/{upload_id}",
    status_code=204,
    summary="Cancel an upload",
    responses=problems(UploadNotFound, UploadEnded, UnsupportedUploadVersion),
)
async def cancel_upload(
    upload_id: uuid.UUID, principal: Uploader, _protocol: ProtocolDep, uploads: OpenUploadsDep
) -> None:
    """Cancel an upload and delete its bytes. The image of a completed upload remains."""
    await uploads.cancel(upload_id, principal)


@router.post("/{upload_id}", include_in_schema=False)
async def override_method(
    upload_id: uuid.UUID,
    upload_request: UploadRequestDep,
    protocol: ProtocolDep,
    uploads: OpenUploadsDep,
) -> Response:
    """Serve clients that cannot send PATCH or DELETE (tus 1.0.0, `X-HTTP-Method-Override`)."""
    request = upload_request.request
    match request.headers.get("X-HTTP-Method-Override", "").upper():
        case "PATCH":
            return await append_to_upload(upload_id, upload_request, protocol, uploads)
        case "HEAD":
            return await read_upload(request, upload_id, upload_request.principal, protocol, uploads)
        case "DELETE":
            await cancel_upload(upload_id, upload_request.principal, protocol, uploads)
            return Response(status_code=204)
        case _:
            raise MethodNotAllowed


def _capabilities(settings: Settings, methods: str) -> dict[str, str]:
    return {
        "Allow": methods,
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Max-Size": str(settings.max_upload_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUM_ALGORITHMS),
        "Upload-Limit": limits_field(settings),
    }


def _location(request: Request, upload_id: uuid.UUID) -> str:
    return f"{request.url.path}/{upload_id}"


def _image(progress: Progress) -> ImageUploaded | None:
    image = progress.image
    return None if image is None else to_uploaded(image.image, image.tags, image.duplicates, image.similar)


def _send_interim(request: Request, location: str, settings: Settings) -> None:
    """Send the location before the body is read, to a client that can read the interim response."""
    send = request.scope.get("extensions", {}).get("interim_response")
    if send is not None and request.headers.get("Upload-Draft-Interop-Version") == INTEROP_VERSION:
        fields = {
            "Location": public_path(request, location),
            "Upload-Draft-Interop-Version": INTEROP_VERSION,
            "Upload-Limit": limits_field(settings),
        }
        send(104, [(name.lower().encode(), value.encode()) for name, value in fields.items()])
