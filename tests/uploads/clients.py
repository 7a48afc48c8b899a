"""Clients of the two upload protocols, one request at a time."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterable
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx

from tests.support.accounts import Account
from tests.support.raw_http import RawConnection

TUS = {"Tus-Resumable": "1.0.0"}
OFFSET_STREAM = "application/offset+octet-stream"
PARTIAL_UPLOAD = "application/partial-upload"
Body = bytes | AsyncIterable[bytes]


def metadata(**values: str | bytes) -> str:
    """Return `Upload-Metadata` with these values."""
    encoded = {key: value.encode() if isinstance(value, str) else value for key, value in values.items()}
    return ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in encoded.items())


def checksum(body: bytes, algorithm: str = "sha1") -> str:
    """Return `Upload-Checksum` of a body."""
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"


class TusClient:
    """Sends the requests of tus 1.0.0."""

    def __init__(self, account: Account) -> None:
        self.http = account.client

    async def create(
        self,
        length: int | None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        **values: str | bytes,
    ) -> httpx.Response:
        """Create an upload; with a body, append it in the same request."""
        fields = {
            **TUS,
            "Upload-Defer-Length" if length is None else "Upload-Length": "1" if length is None else str(length),
        }
        if values:
            fields["Upload-Metadata"] = metadata(**values)
        if body is not None:
            fields["Content-Type"] = OFFSET_STREAM
        return await self.http.post("/v1/uploads", headers={**fields, **(headers or {})}, content=body, timeout=60)

    async def append(self, url: str, offset: int, body: Body, **headers: str) -> httpx.Response:
        """Append a body."""
        fields = {**TUS, "Content-Type": OFFSET_STREAM, "Upload-Offset": str(offset), **_fields(headers)}
        return await self.http.patch(url, headers=fields, content=body, timeout=60)

    async def head(self, url: str) -> httpx.Response:
        """Ask for the offset."""
        return await self.http.head(url, headers=TUS, timeout=60)

    async def offset(self, url: str) -> int:
        """Return the offset."""
        return int((await self.head(url)).headers["Upload-Offset"])

    async def cancel(self, url: str) -> httpx.Response:
        """Cancel the upload."""
        return await self.http.delete(url, headers=TUS)


class HttpClient:
    """Sends the requests of Resumable Uploads for HTTP."""

    def __init__(self, account: Account) -> None:
        self.http = account.client

    async def create(
        self, body: Body = b"", *, complete: bool, length: int | None = None, name: str | None = None, **headers: str
    ) -> httpx.Response:
        """Create an upload with the first bytes."""
        fields = {"Upload-Complete": f"?{complete:d}", **_fields(headers)}
        if length is not None:
            fields["Upload-Length"] = str(length)
        if name is not None:
            fields["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(name)}"
        return await self.http.post("/v1/uploads", headers=fields, content=body, timeout=60)

    async def append(self, url: str, offset: int, body: Body, *, complete: bool, **headers: str) -> httpx.Response:
        """Append a body."""
        fields = {"Content-Type": PARTIAL_UPLOAD, "Upload-Offset": str(offset), "Upload-Complete": f"?{complete:d}"}
        return await self.http.patch(url, headers={**fields, **_fields(headers)}, content=body, timeout=60)

    async def head(self, url: str) -> httpx.Response:
        """Ask for the offset."""
        return await self.http.head(url)


def _fields(headers: dict[str, Any]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


async def begin_append(connection: RawConnection, user: Account, url: str, body: bytes, *, sent: int) -> None:
    """Send the head of an append at offset 0, and the first `sent` bytes."""
    token = {"Authorization": f"Bearer {user.access_token}", "Content-Length": str(len(body))}
    await connection.begin("PATCH", url, {**TUS, **token, "Content-Type": OFFSET_STREAM, "Upload-Offset": "0"})
    await connection.send(body[:sent])


async def wait_until_appending(url: str, sql: asyncpg.Connection) -> None:
    """Wait until the service reads the body of an append."""
    async with asyncio.timeout(10):
        while await sql.fetchval("SELECT writer IS NULL FROM uploads WHERE id = $1", url.rpartition("/")[2]):
            await asyncio.sleep(0.02)
    # The bytes are in the socket of the service by now.
    await asyncio.sleep(0.2)


def problem(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the type of a problem."""
    return response.status_code, response.json()["type"]
