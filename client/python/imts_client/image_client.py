"""The service as one account sees it."""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import httpx

from .api_error import ApiError, expect
from .authentication import TokenAuth
from .generated.api.images import list_images, read_image, tag_images, upload_image
from .generated.client import AuthenticatedClient
from .generated.models import (
    BulkResult,
    BulkTagging,
    ImagePage,
    ImageRead,
    ImageUploaded,
    UploadImageBody,
    UploadImageBodyOnConflict,
    UploadImageBodyVisibility,
    Visibility,
)
from .generated.types import File
from .item_pages import iterate_items
from .retry import RetryingAsyncClient, RetryingClient
from .tus_upload import TusUpload

TIMEOUT_SECONDS = 60
# Smaller files are sent again in the time of the additional requests.
MIN_RESUMABLE_BYTES = 8 * 1024 * 1024
PAGE_ITEMS = 100
DOWNLOAD_TRIES = 5
_READ_BYTES = 256 * 1024


class DigestMismatch(Exception):
    """The bytes of a download are not those of the image."""


class ImageClient:
    """Calls the service at `url`. Without `auth`, it sees public images only.

    `token` is an access token or an API key. Instances can be used by several threads.
    """

    def __init__(self, url: str, token: str | None = None, *, auth: httpx.Auth | None = None) -> None:
        auth = TokenAuth(token) if token else auth
        context = httpx.create_ssl_context()
        self._http = RetryingClient(base_url=url, auth=auth, timeout=TIMEOUT_SECONDS, verify=context)
        self._async_http = RetryingAsyncClient(base_url=url, auth=auth, timeout=TIMEOUT_SECONDS, verify=context)
        # The token of the generated client is not sent: `auth` signs the requests.
        self.api = AuthenticatedClient(base_url=url, token="").set_httpx_client(self._http)
        self.api.set_async_httpx_client(self._async_http)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections of synchronous calls. `aclose` also closes those of asyncio."""
        self._http.close()

    async def aclose(self) -> None:
        """Close all connections."""
        self._http.close()
        await self._async_http.aclose()

    def search(self, query: str = "", sort: str = "-created") -> Iterator[ImageRead]:
        """Yield all images that match, page by page. Raises ApiError, for example for a query that does not parse."""
        yield from iterate_items(
            lambda cursor: expect(
                list_images.sync_detailed(client=self.api, q=query, sort=sort, limit=PAGE_ITEMS, cursor=cursor),
                ImagePage,
            )
        )

    def get_image(self, image_id: uuid.UUID | str) -> ImageRead:
        """Return an image. Raises ApiError."""
        return expect(read_image.sync_detailed(uuid.UUID(str(image_id)), client=self.api), ImageRead)

    def tag(
        self, query: str, add: Sequence[str] = (), remove: Sequence[str] = (), *, dry_run: bool = False
    ) -> BulkResult:
        """Add and remove tags of the images that match and that the account may change. Raises ApiError."""
        body = BulkTagging(q=query, add=list(add), remove=list(remove), dry_run=dry_run)
        return expect(tag_images.sync_detailed(client=self.api, body=body), BulkResult)

    def upload(
        self,
        path: Path,
        tags: Sequence[str] = (),
        visibility: Visibility = Visibility.PUBLIC,
        *,
        rename: bool = False,
        resumable: bool | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> ImageRead:
        """Upload a file and return its image. Raises ApiError, OSError, httpx.HTTPError.

        `rename` numbers a name in use. Files above MIN_RESUMABLE_BYTES, or all with `resumable`, are sent by a
        resumable upload, which continues after broken connections. `progress` receives the bytes that it has sent.
        """
        conflict = "rename" if rename else "error"
        if resumable is None:
            resumable = path.stat().st_size > MIN_RESUMABLE_BYTES
        if resumable:
            declarations = [("visibility", visibility.value), ("on_conflict", conflict)]
            declarations += [("tags", ",".join(tags))] if tags else []
            return self.get_image(TusUpload(self._http, path, declarations, progress).run())
        with path.open("rb") as content:
            body = UploadImageBody(
                image=File(content, path.name, "application/octet-stream"),
                tags=list(tags),
                visibility=UploadImageBodyVisibility(visibility.value),
                on_conflict=UploadImageBodyOnConflict(conflict),
            )
            # A repeated request returns the image of the first one.
            key = str(uuid.uuid4())
            response = upload_image.sync_detailed(client=self.api, body=body, idempotency_key=key)
        return ImageRead.from_dict(expect(response, ImageUploaded).to_dict())

    def download(self, image: ImageRead, path: Path) -> None:
        """Write the file of an image. Raises ApiError, OSError, httpx.HTTPError, DigestMismatch.

        A broken download continues, also in a later call: the bytes so far are in a hidden file beside `path`.
        """
        part = path.with_name(f".{image.id}.part")
        for attempt in range(DOWNLOAD_TRIES):
            try:
                self._fetch_rest(image, part)
                break
            except httpx.TransportError:
                if attempt == DOWNLOAD_TRIES - 1:
                    raise
        with part.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        if sha256 != image.sha256:
            part.unlink()
            raise DigestMismatch(f"{image.name} was received with other bytes.")
        part.replace(path)

    def _fetch_rest(self, image: ImageRead, part: Path) -> None:
        """Append the bytes that the file lacks."""
        with part.open("ab") as file:
            offset = file.tell()
            if offset >= image.size:
                return
            headers = {"Range": f"bytes={offset}-"} if offset else {}
            with self._http.stream("GET", f"/v1/images/{image.id}/content", headers=headers) as response:
                if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                    response.read()
                    raise ApiError.of(response)
                if response.status_code == httpx.codes.OK:
                    file.truncate(0)
                for chunk in response.iter_bytes(_READ_BYTES):
                    file.write(chunk)
                    if file.tell() > image.size:
                        # The digest differs. The rest may have no end.
                        return
