"""A proxy to MongoDB that can cut a connection at the worst moment: after the request and before the response."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

INSERT = b"\x02insert\x00\x0d\x00\x00\x00request_logs\x00"
UPDATE = b"\x02update\x00\x10\x00\x00\x00request_metrics\x00"


class Proxy:
    """`cuts`: the number of next requests with `command` whose connection is cut instead of the response. `hold`: the
    seconds between the cut and the arrival of such a request at the server. `latency`: seconds each way.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self.command = INSERT
        self.cuts = 0
        self.hold = 0.0
        self.latency = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._converse(reader, writer, *await asyncio.open_connection(*self._target))
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        try:
            while True:
                request = await _message(reader)
                await asyncio.sleep(self.latency)
                if self.cuts and self.command in request:
                    self.cuts -= 1
                    writer.close()
                    await asyncio.sleep(self.hold)
                    server_writer.write(request)
                    await _message(server_reader)
                    return
                server_writer.write(request)
                writer.write(await _message(server_reader))
        finally:
            server_writer.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxied(mongo_url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Yield a proxy before this server, and the address to use instead."""
    url = urlsplit(mongo_url)
    proxy = Proxy(url.hostname or "", url.port or 0)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, f"mongodb://127.0.0.1:{port}{url.path}?serverMonitoringMode=poll"
    finally:
        server.close()
        await proxy.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(int.from_bytes(length, "little") - 4)
