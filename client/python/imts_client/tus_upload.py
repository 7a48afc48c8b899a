"""Uploads one file by tus 1.0.0, and continues after broken connections and restarts of the server.

The server keeps the state. An upload in progress with the same `Upload-Metadata` is continued, also by another process:
the field has the SHA-256 and all options.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx

from .api_error import ApiError
from .retry import MAX_WAIT_SECONDS, seconds_to_wait

READ_BYTES = 256 * 1024
# The limit of the attempts without a new byte.
MAX_FAILURES = 10
_FIRST_WAIT_SECONDS = 0.5
_TUS = {"Tus-Resumable": "1.0.0"}
_BROKEN = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
# A proxy responds with 502 and 504 during a restart of the server.
_BUSY = frozenset((408, 429, 502, 503, 504))
_ENDED = frozenset((404, 410))
# The server has bytes of an earlier connection, or another client continues the same upload.
_CONTINUED = frozenset(("mismatching-upload-offset", "append-superseded"))


class TusUpload:
    """The upload of one file with these declarations. `progress` receives the number of bytes that were sent."""

    def __init__(
        self,
        client: httpx.Client,
        path: Path,
        declarations: Iterable[tuple[str, str]],
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._client = client
        self._path = path
        self._size = path.stat().st_size
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        fields = (("filename", path.name), ("sha256", sha256), *declarations)
        self._metadata = ",".join(f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in fields)
        self._progress = progress
        self._upload_id: str | None = None
        self._offset = 0
        self._failures = 0
        self._has_started_again = False

    def run(self) -> str:
        """Upload the file and return the id of its image. Raises ApiError, OSError, httpx.HTTPError."""
        while True:
            try:
                return self._attempt()
            except _BROKEN as error:
                self._wait(error)
            except ApiError as error:
                if error.status in _ENDED and self._upload_id is not None and not self._has_started_again:
                    self._has_started_again, self._upload_id = True, None
                elif error.status in _BUSY or error.slug in _CONTINUED:
                    self._wait(error, error.headers.get("Retry-After"))
                else:
                    raise

    def _attempt(self) -> str:
        self._upload_id = self._upload_id or self._find()
        # Without a new upload, the server has an image with these bytes.
        if self._upload_id is None and (stored := self._create()):
            return stored
        state = self._read_state(self._upload_id)
        # The image exists if the response to the last bytes was lost.
        return _last_segment(state, "Content-Location") or self._append(int(state.headers["Upload-Offset"]))

    def _find(self) -> str | None:
        """Return the id of the upload in progress that has this file and these declarations."""
        listed = _expect(self._client.get("/v1/uploads"), httpx.codes.OK).json()["items"]
        ids = [str(one["id"]) for one in listed if one["length"] == self._size]
        return next((one for one in ids if self._has_these_declarations(one)), None)

    def _has_these_declarations(self, upload_id: str) -> bool:
        try:
            return bool(self._read_state(upload_id).headers.get("Upload-Metadata") == self._metadata)
        except ApiError as error:
            if error.status in _ENDED:
                return False
            raise

    def _create(self) -> str | None:
        """Create an upload. Return the id of the image if the server has one with these bytes."""
        headers = {**_TUS, "Upload-Length": str(self._size), "Upload-Metadata": self._metadata}
        response = _expect(self._client.post("/v1/uploads", headers=headers), httpx.codes.CREATED)
        self._upload_id = _last_segment(response, "Location")
        return _last_segment(response, "Content-Location")

    def _read_state(self, upload_id: str | None) -> httpx.Response:
        return _expect(self._client.head(f"/v1/uploads/{upload_id}", headers=_TUS), httpx.codes.OK)

    def _append(self, offset: int) -> str:
        """Send the rest of the file, and return the id of the image."""
        if offset > self._offset:
            self._offset, self._failures = offset, 0
        headers = {
            **_TUS,
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(self._size - offset),
            "Upload-Offset": str(offset),
        }
        path = f"/v1/uploads/{self._upload_id}"
        response = self._client.patch(path, content=self._read_from(offset), headers=headers)
        image_id = _last_segment(_expect(response, httpx.codes.NO_CONTENT), "Content-Location")
        if image_id is None:
            raise ApiError.of(response)
        return image_id

    def _read_from(self, offset: int) -> Iterator[bytes]:
        with self._path.open("rb") as content:
            content.seek(offset)
            while chunk := content.read(READ_BYTES):
                yield chunk
                if self._progress is not None:
                    self._progress(content.tell())

    def _wait(self, error: Exception, retry_after: str | None = None) -> None:
        """Wait before the next attempt. Raises the error at the limit."""
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            raise error
        backoff = min(MAX_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** (self._failures - 1))
        time.sleep(backoff if retry_after is None else seconds_to_wait(retry_after))


def _expect(response: httpx.Response, status: int) -> httpx.Response:
    if response.status_code != status:
        raise ApiError.of(response)
    return response


def _last_segment(response: httpx.Response, name: str) -> str | None:
    """Return the id at the end of a path, which begins with the path of PUBLIC_URL."""
    return response.headers.get(name, "").rpartition("/")[2] or None
