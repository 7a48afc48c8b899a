"""The route class of the upload endpoints, which adds the header fields of the protocol to every response."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from app.core.errors import AppError
from app.http.container import container_of
from app.http.links import public_path
from app.uploads.errors import UnsupportedUploadVersion
from app.uploads.protocols.resumable_http import ResumableHttp
from app.uploads.protocols.tus import VERSION, Tus
from app.uploads.protocols.upload_protocol import UploadProtocol
from app.users.authenticated_route import AuthenticatedRoute


class UploadRoute(AuthenticatedRoute):
    """Chooses the protocol of a request: tus 1.0.0 with `Tus-Resumable`, otherwise Resumable Uploads for HTTP."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which adds the header fields of the protocol to responses and errors."""
        handle = super().get_route_handler()

        async def with_fields(request: Request) -> Response:
            protocol = find_protocol(request)
            request.state.upload_protocol = protocol
            # For errors outside of this module's reach, such as those of credentials.
            request.state.problem_headers = dict(protocol.headers(None))
            try:
                response = await handle(request)
            except AppError as error:
                request.state.problem_headers = dict(protocol.headers(error)) | _versions(error)
                raise
            response.headers.update(protocol.headers(None))
            for name in ("Location", "Content-Location"):
                if name in response.headers:
                    response.headers[name] = public_path(request, response.headers[name])
            return response

        return with_fields


def find_protocol(request: Request) -> UploadProtocol:
    """Return the protocol of a request."""
    if "Tus-Resumable" in request.headers:
        return Tus()
    return ResumableHttp(container_of(request).settings)


def check_version(request: Request) -> None:
    """Check that the request names a supported version. Raises UnsupportedUploadVersion."""
    version = request.headers.get("Tus-Resumable")
    if version not in (None, VERSION):
        raise UnsupportedUploadVersion(f"The service supports tus {VERSION}.")
    if version is None and request.method == "POST" and "Upload-Complete" not in request.headers:
        raise UnsupportedUploadVersion("A new upload needs Tus-Resumable or Upload-Complete.")


def _versions(error: AppError) -> dict[str, str]:
    return {"Tus-Version": VERSION} if isinstance(error, UnsupportedUploadVersion) else {}
