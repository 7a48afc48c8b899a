"""A client that can stop in the middle of a request, which HTTP libraries do not support."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

BOUNDARY_HEADERS = {"Content-Type": "multipart/form-data; boundary=b"}


def file_part(name: str) -> bytes:
    """The head of a part that holds a file."""
    return f'--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()


@dataclass(slots=True)
class RawResponse:
    """A response of the service."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """One connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader, self.writer, self._host = reader, writer, host

    async def begin(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Send the head of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_response(self) -> RawResponse:
        """Read a response. Raises asyncio.IncompleteReadError when the service cuts it."""
        async with asyncio.timeout(45):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
            return RawResponse(
                int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", 0)))
            )


@asynccontextmanager
async def raw_connection(url: str) -> AsyncIterator[RawConnection]:
    """Connect to the service at this URL."""
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    try:
        yield RawConnection(reader, writer, target.netloc)
    finally:
        writer.close()


def bearer(account: Any, **headers: str) -> dict[str, str]:
    """The headers of a multipart upload by this account."""
    token = {"Authorization": f"Bearer {account.access_token}"}
    return {**token, **BOUNDARY_HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
