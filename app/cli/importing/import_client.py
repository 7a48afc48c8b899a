"""The HTTP client of an import. It repeats requests while the server is busy."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from app.cli.importing.import_files import Candidate

READ_BYTES = 256 * 1024
TRIES = 5
MAX_WAIT_SECONDS = 30.0
BULK_IDS = 1000
_TOKEN_HELP = "Set a valid token with --token or IMTS_TOKEN. POST /v1/users/me/api-keys creates an API key."  # noqa: S105


class CommandError(Exception):
    """The import cannot start. The message names the remedy."""


class RequestFailed(Exception):
    """One request failed. `slug` is that of the problem document, if there is one."""

    def __init__(self, reason: str, slug: str | None = None) -> None:
        super().__init__(reason)
        self.slug = slug


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


class ImportClient:
    """Calls the service as one account."""

    def __init__(self, client: httpx.AsyncClient, options: UploadOptions) -> None:
        self._client = client
        self._options = options

    async def check(self) -> None:
        """Raise CommandError unless this is the service and it accepts the token."""
        url = str(self._client.base_url)
        try:
            response = await self._post("/v1/images/lookup", json={"sha256": ["0" * 64]})
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise CommandError(f"{url} does not respond ({reason}). Start the service, or check --server.") from error
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise CommandError(f"{url} does not accept the token. {_TOKEN_HELP}")
        if response.status_code == httpx.codes.FORBIDDEN:
            raise CommandError(f"{url}: {_problem(response)} Use a key with the scopes read and write.")
        if response.status_code != httpx.codes.OK or "items" not in _json(response):
            raise CommandError(f"{url} is not an Image-Tagged-System (status {response.status_code}). Check --server.")

    async def find_stored(self, digests: Sequence[str]) -> dict[str, str]:
        """Return the paths of the images that have these SHA-256 digests, by digest. Raises RequestFailed."""
        response = await self._post("/v1/images/lookup", json={"sha256": list(digests)})
        return {item["sha256"]: item["image"] for item in _expect(response, httpx.codes.OK)["items"]}

    async def upload(self, file: Candidate, measure: Callable[[int], None]) -> dict[str, Any]:
        """Upload a file and return the image. `measure` receives the size of each chunk.

        Raises RequestFailed, OSError, httpx.HTTPError.
        """
        fields = [*(("tags", tag) for tag in file.tags), *self._options.fields()]

        def send() -> Awaitable[httpx.Response]:
            boundary = secrets.token_hex(16)
            head, tail = _form(boundary, fields, file.path.name)
            headers = {
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Content-Length": str(len(head) + file.size + len(tail)),
            }
            body = _body(head, file.path, tail, measure)
            return self._client.post("/v1/images", content=body, headers=headers)

        return _expect(await _retry(send), httpx.codes.CREATED)

    async def add_tags(self, images: Sequence[str], tags: Sequence[str]) -> None:
        """Add tags to the images that the account may change. Raises RequestFailed."""
        ids = [image.rpartition("/")[2] for image in images]
        for start in range(0, len(ids), BULK_IDS):
            body = {"ids": ids[start : start + BULK_IDS], "add": list(tags)}
            _expect(await self._post("/v1/images/tags", json=body), httpx.codes.OK)

    async def _post(self, path: str, json: object) -> httpx.Response:
        return await _retry(lambda: self._client.post(path, json=json))


def seconds_to_wait(retry_after: str | None) -> float:
    """Return how long `Retry-After` asks a client to wait (RFC 9110, 10.2.3), at most MAX_WAIT_SECONDS."""
    value = (retry_after or "").strip()
    if re.fullmatch("[0-9]{1,9}", value):
        return min(MAX_WAIT_SECONDS, float(value))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 1.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(MAX_WAIT_SECONDS, max(0.0, (aware - datetime.now(UTC)).total_seconds()))


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
    with path.open("rb") as content:
        while chunk := await asyncio.to_thread(content.read, READ_BYTES):
            measure(len(chunk))
            yield chunk
    yield tail


def _expect(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the body of a response that has this status. Raises RequestFailed."""
    body = _json(response)
    if response.status_code != status or not body:
        slug = str(body["type"]).rpartition("/")[2] if "type" in body else None
        raise RequestFailed(_problem(response), slug)
    return body


def _problem(response: httpx.Response) -> str:
    return str(_json(response).get("detail") or f"The server responded with status {response.status_code}.")


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (JSONDecodeError, UnicodeDecodeError):
        return {}
    return body if isinstance(body, dict) else {}
