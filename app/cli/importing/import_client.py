"""The HTTP client of an import. It repeats requests while the server is busy."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import httpx

from app.cli.client_commands.client_options import TOKEN_HELP, describe_silence
from app.cli.importing.import_files import Candidate
from app.cli.importing.import_responses import expect_json, json_object, problem_detail
from app.cli.importing.resumable_upload import (
    MIN_BYTES,
    ResumableUpload,
    ResumableUploadsMissing,
    StoredImage,
    read_file,
)
from client.python.imts_client.retry import seconds_to_wait

TRIES = 5
BULK_IDS = 1000


class CommandError(Exception):
    """The import cannot start. The message names the remedy."""


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """The form fields that are the same for every file of a run."""

    private: bool = False
    rename: bool = False

    def fields(self) -> list[tuple[str, str]]:
        """Return the fields by name."""
        # These precede the file, so that the server refuses a name in use without reading the file.
        conflict = ("on_conflict", "rename" if self.rename else "error")
        return [conflict, ("visibility", "private" if self.private else "public")]


class NearCopy(NamedTuple):
    """The path of an image that is similar to a file, and the distance of their hashes in bits."""

    path: str
    distance: int


class ImportClient:
    """Calls the service as one account."""

    def __init__(self, client: httpx.AsyncClient, options: UploadOptions) -> None:
        self._client = client
        self._options = options
        self._has_resumable_uploads = True

    async def check(self) -> None:
        """Raise CommandError unless this is the service and it accepts the token."""
        url = str(self._client.base_url)
        try:
            response = await self._post("/v1/images/lookup", json={"sha256": ["0" * 64]})
        except httpx.HTTPError as error:
            raise CommandError(describe_silence(url, error)) from error
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise CommandError(f"{url} does not accept the token. {TOKEN_HELP}")
        if response.status_code == httpx.codes.FORBIDDEN:
            raise CommandError(f"{url}: {problem_detail(response)} Use a key with the scopes read and write.")
        if response.status_code != httpx.codes.OK or "items" not in json_object(response):
            raise CommandError(f"{url} is not an Image-Tagged-System (status {response.status_code}). Check --server.")

    async def find_stored(self, digests: Sequence[str]) -> dict[str, str]:
        """Return the paths of the images that have these SHA-256 digests, by digest. Raises RequestFailed."""
        response = await self._post("/v1/images/lookup", json={"sha256": list(digests)})
        return {item["sha256"]: item["image"] for item in expect_json(response, httpx.codes.OK)["items"]}

    async def upload(self, file: Candidate, sha256: str, measure: Callable[[int], None]) -> StoredImage:
        """Upload a file and return the image. `measure` receives the change of the number of bytes sent.

        Raises RequestFailed, OSError, httpx.HTTPError.
        """
        if file.size > MIN_BYTES and self._has_resumable_uploads:
            fields = [("filename", file.path.name), ("sha256", sha256), *self._options.fields()]
            tags = [("tags", ",".join(file.tags))] if file.tags else []
            try:
                return await ResumableUpload(self._client, file, [*fields, *tags], measure).run()
            except ResumableUploadsMissing:
                self._has_resumable_uploads = False
        return await self._upload_form(file, measure)

    async def _upload_form(self, file: Candidate, measure: Callable[[int], None]) -> StoredImage:
        """Upload a file by one request, which is sent again while the server is busy."""
        fields = [*(("tags", tag) for tag in file.tags), *self._options.fields()]

        response = await _retry(lambda: self._send_form("/v1/images", fields, file, measure))
        image = expect_json(response, httpx.codes.CREATED)
        return StoredImage(image["name"], image["links"]["self"])

    def _send_form(
        self, path: str, fields: Sequence[tuple[str, str]], file: Candidate, measure: Callable[[int], None]
    ) -> Awaitable[httpx.Response]:
        boundary = secrets.token_hex(16)
        head, tail = _form(boundary, fields, file.path.name)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + file.size + len(tail)),
        }
        return self._client.post(path, content=_body(head, file.path, tail, measure), headers=headers)

    async def find_near(self, file: Candidate) -> NearCopy | None:
        """Return the nearest copy of a file. Raises RequestFailed, OSError, httpx.HTTPError."""
        response = await _retry(lambda: self._send_form("/v1/images/similar?limit=1", [], file, lambda _: None))
        items = expect_json(response, httpx.codes.OK)["items"]
        return NearCopy(items[0]["image"]["links"]["self"], items[0]["distance"]) if items else None

    async def add_tags(self, images: Sequence[str], tags: Sequence[str]) -> None:
        """Add tags to the images that the account may change. Raises RequestFailed."""
        ids = [image.rpartition("/")[2] for image in images]
        for start in range(0, len(ids), BULK_IDS):
            body = {"ids": ids[start : start + BULK_IDS], "add": list(tags)}
            expect_json(await self._post("/v1/images/tags", json=body), httpx.codes.OK)

    async def _post(self, path: str, json: object) -> httpx.Response:
        return await _retry(lambda: self._client.post(path, json=json))


async def _retry(send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Send until the server is not busy, at most TRIES times. Return the last response."""
    for _ in range(TRIES - 1):
        response = await send()
        if response.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            return response
        await asyncio.sleep(seconds_to_wait(response.headers.get("retry-after")))
    return await send()


def _form(boundary: str, fields: Sequence[tuple[str, str]], name: str) -> tuple[bytes, bytes]:
    """Return the form's bytes before and after the file (RFC 7578). `filename*` contains the exact name."""
    start = f"--{boundary}\r\nContent-Disposition: form-data; "
    lines = [f'{start}name="{key}"\r\n\r\n{value}\r\n' for key, value in fields]
    disposition = f"name=\"image\"; filename*=UTF-8''{quote(name, safe='')}"
    lines.append(f"{start}{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n")
    return "".join(lines).encode(), f"\r\n--{boundary}--\r\n".encode()


async def _body(head: bytes, path: Path, tail: bytes, measure: Callable[[int], None]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in read_file(path):
        measure(len(chunk))
        yield chunk
    yield tail
