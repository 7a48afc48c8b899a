"""Uploads one large file by tus 1.0.0, and continues after broken connections and restarts of the server.

The server keeps the state. An upload in progress with the same `Upload-Metadata` is continued, also by a later command:
the field has the SHA-256 and all options.
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.cli.importing.import_files import Candidate
from app.cli.importing.import_responses import RequestFailed, expect, expect_json
from app.images.upload.filenames import normalize_name
from client.python.imts_client.retry import MAX_WAIT_SECONDS, seconds_to_wait

# Smaller files are sent again in the time of the additional requests.
MIN_BYTES = 8 * 1024 * 1024
READ_BYTES = 256 * 1024
# The limits of the attempts without a new byte. A restart of the server takes less than a minute.
MAX_FAILURES = 10
MAX_SECONDS = 300.0
_FIRST_WAIT_SECONDS = 0.5
_TUS = {"Tus-Resumable": "1.0.0"}
_BROKEN = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
# A proxy responds with 502 and 504 during a restart of the server.
_BUSY = frozenset((408, 429, 502, 503, 504))
_ENDED = frozenset((404, 410))
_UNSUPPORTED = frozenset((404, 405))
# The server has bytes of an earlier connection, or another command continues the same upload.
_CONTINUED = frozenset(("mismatching-upload-offset", "append-superseded"))


class ResumableUploadsMissing(Exception):
    """The server has no resumable uploads."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """The image of a file. Without `is_new`, it was stored before and has tags of its own."""

    name: str
    path: str
    is_new: bool = True


class ResumableUpload:
    """The upload of one file with these declarations. `measure` receives the change of the number of bytes sent."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        file: Candidate,
        declarations: Iterable[tuple[str, str]],
        measure: Callable[[int], None],
    ) -> None:
        self._client = client
        self._file = file
        self._metadata = ",".join(f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in declarations)
        self._measure = measure
        self._measured = 0
        self._attempts = _Attempts()
        self._upload_id: str | None = None
        self._has_started_again = False

    async def run(self) -> StoredImage:
        """Upload the file. Raises ResumableUploadsMissing, RequestFailed, OSError, httpx.HTTPError."""
        while True:
            try:
                return await self._attempt()
            except _BROKEN as error:
                await self._attempts.wait(error)
            except RequestFailed as error:
                if self._is_lost(error):
                    self._start_again()
                elif error.status in _BUSY or error.slug in _CONTINUED:
                    await self._attempts.wait(error, error.retry_after)
                else:
                    raise

    async def _attempt(self) -> StoredImage:
        if self._upload_id is None:
            self._upload_id = await self._find()
        if self._upload_id is None and (stored := await self._create()):
            return await self._read_image(stored, is_new=False)
        state = await self._read_state(self._upload_id)
        # The image exists if the response to the last bytes was lost.
        image = _last_segment(state, "Content-Location") or await self._append(_offset(state))
        return await self._read_image(image, is_new=True)

    async def _find(self) -> str | None:
        """Return the id of the upload in progress that has this file and these declarations."""
        response = await self._client.get("/v1/uploads")
        if response.status_code in _UNSUPPORTED:
            raise ResumableUploadsMissing
        try:
            name = normalize_name(self._file.path.name)
        except ValueError:
            # The service refuses it.
            return None
        for item in expect_json(response, httpx.codes.OK)["items"]:
            if (item["name"], item["length"]) == (name, self._file.size) and await self._is_same(item["id"]):
                return str(item["id"])
        return None

    async def _is_same(self, upload_id: str) -> bool:
        try:
            state = await self._read_state(upload_id)
        except RequestFailed as error:
            if error.status in _ENDED:
                return False
            raise
        return bool(state.headers.get("Upload-Metadata") == self._metadata)

    async def _create(self) -> str | None:
        """Create an upload. Return the id of the image if the server has one with these bytes."""
        headers = {**_TUS, "Upload-Length": str(self._file.size), "Upload-Metadata": self._metadata}
        response = await self._client.post("/v1/uploads", headers=headers)
        if response.status_code in _UNSUPPORTED:
            raise ResumableUploadsMissing
        expect(response, httpx.codes.CREATED)
        self._upload_id = _last_segment(response, "Location")
        return _last_segment(response, "Content-Location")

    async def _read_state(self, upload_id: str | None) -> httpx.Response:
        return expect(await self._client.head(f"/v1/uploads/{upload_id}", headers=_TUS), httpx.codes.OK)

    async def _append(self, offset: int) -> str:
        """Send the rest of the file, and return the id of the image."""
        self._attempts.record(offset)
        self._move_to(offset)
        headers = {
            **_TUS,
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(self._file.size - offset),
            "Upload-Offset": str(offset),
        }
        response = await self._client.patch(
            f"/v1/uploads/{self._upload_id}", content=self._read_from(offset), headers=headers
        )
        image = _last_segment(expect(response, httpx.codes.NO_CONTENT), "Content-Location")
        if image is None:
            raise RequestFailed("The server has all bytes, but no image.", response)
        return image

    async def _read_from(self, offset: int) -> AsyncIterator[bytes]:
        async for chunk in read_file(self._file.path, offset):
            self._move_to(self._measured + len(chunk))
            yield chunk

    async def _read_image(self, image_id: str, *, is_new: bool) -> StoredImage:
        image = expect_json(await self._client.get(f"/v1/images/{image_id}"), httpx.codes.OK)
        return StoredImage(image["name"], image["links"]["self"], is_new)

    def _move_to(self, position: int) -> None:
        self._measure(position - self._measured)
        self._measured = position

    def _is_lost(self, error: RequestFailed) -> bool:
        """Return whether the server has lost the upload, for the first time."""
        return error.status in _ENDED and self._upload_id is not None and not self._has_started_again

    def _start_again(self) -> None:
        self._has_started_again = True
        self._upload_id = None
        self._attempts = _Attempts()


class _Attempts:
    """Counts the failed attempts since the last progress, and waits between them."""

    def __init__(self) -> None:
        self._offset = 0
        self._reset()

    def _reset(self) -> None:
        self._failures = 0
        self._deadline = time.monotonic() + MAX_SECONDS

    def record(self, offset: int) -> None:
        """Record the offset from which the file continues."""
        if offset > self._offset:
            self._offset = offset
            self._reset()

    async def wait(self, error: Exception, retry_after: str | None = None) -> None:
        """Wait before the next attempt. Raises the error at a limit."""
        self._failures += 1
        if self._failures >= MAX_FAILURES or time.monotonic() >= self._deadline:
            raise error
        backoff = min(MAX_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** (self._failures - 1))
        await asyncio.sleep(backoff if retry_after is None else seconds_to_wait(retry_after))


async def read_file(path: Path, offset: int = 0) -> AsyncIterator[bytes]:
    """Yield the bytes of a file from the offset, READ_BYTES at a time."""
    with path.open("rb") as content:
        content.seek(offset)
        while chunk := await asyncio.to_thread(content.read, READ_BYTES):
            yield chunk


def _last_segment(response: httpx.Response, name: str) -> str | None:
    """Return the id at the end of a path, which begins with the path of PUBLIC_URL."""
    return response.headers.get(name, "").rpartition("/")[2] or None


def _offset(response: httpx.Response) -> int:
    value = response.headers.get("Upload-Offset", "")
    if not value.isdecimal():
        raise RequestFailed("The response has no Upload-Offset.", response)
    return int(value)
