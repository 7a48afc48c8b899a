"""A TCP proxy before a backend. It delays, cuts and drops connections like a failing network or server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_PIECE = 64 * 1024
_GARBLED_AFTER = 4


@dataclass(slots=True)
class Faults:
    """The active faults. All are off at first."""

    refuse: bool = False  # cut all connections at once
    black_hole: bool = False  # discard all bytes
    latency: float = 0.0  # seconds before each piece
    bytes_per_second: int = 0  # 0: as fast as it goes
    reset_after_sent: int | None = None  # cut after this number of bytes, over all connections
    reset_after_received: int | None = None
    unavailable: int = 0  # the number of writing requests to answer with 503.
    # Freeze each connection whose client has sent these bytes, each in a message of its own: before the server has the
    # last of them, or after it has responded.
    hold_at: tuple[bytes, ...] = ()
    hold: Literal["before", "after"] = "before"
    damaged: bytes = b""  # Replace these bytes of the client by zeros.
    garbled: bool = False  # Cut the server's response after four bytes and a wrong one.


@dataclass(slots=True)
class FaultProxy:
    """Forwards to `target`; `held` is set once a connection was frozen by `hold_at`."""

    target: tuple[str, int]
    address: str = ""
    faults: Faults = field(default_factory=Faults)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    garbled: int = 0  # how often that was done
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    # The clients of the frozen connections, and those whose next response is to be held.
    _held: set[asyncio.StreamWriter] = field(default_factory=set)
    _awaited: set[asyncio.StreamWriter] = field(default_factory=set)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: int = 0
    _received: int = 0

    @property
    def sent(self) -> int:
        """The number of bytes that clients have sent since the faults were set."""
        return self._sent

    @property
    def held_connections(self) -> int:
        """The number of connections that `hold_at` has frozen, and whose clients still wait."""
        return len(self._held)

    def set(self, **faults: object) -> None:
        """Have these faults, and no other, from now on. Responses that were held continue."""
        self.faults = Faults(**faults)  # type: ignore[arg-type]
        self._sent = self._received = 0
        self.held.clear()
        self._held.clear()
        self._awaited.clear()
        self._released.set()
        self._released = asyncio.Event()
        if self.faults.refuse:
            self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.faults.refuse:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there_writer}
        directions = [
            asyncio.create_task(self._pump(reader, there_writer, writer, sending=True)),
            asyncio.create_task(self._pump(there_reader, writer, there_writer, sending=False)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            for one in (writer, there_writer):
                one.transport.abort()
            self._writers -= {writer, there_writer}
            self._held.discard(writer)
            self._awaited.discard(writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter, *, sending: bool
    ) -> None:
        steps = _Steps(self)
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                await self._disturb(piece, back, sending=sending)
                if self._is_over(len(piece), sending=sending):
                    return
                if sending and steps.end_with(piece):
                    if self.faults.hold == "before":
                        await self._hold_request(reader, back)
                        return
                    self._awaited.add(back)
                elif not sending:
                    await self._hold_response(writer)
                if self.faults.garbled and not sending and len(piece) > _GARBLED_AFTER:
                    writer.write(piece[:_GARBLED_AFTER] + b"\x02")
                    self.garbled += 1
                    return
                damaged = self.faults.damaged if sending else b""
                writer.write(piece.replace(damaged, bytes(len(damaged))) if damaged else piece)
                await writer.drain()

    async def _disturb(self, piece: bytes, back: asyncio.StreamWriter, *, sending: bool) -> None:
        faults = self.faults
        if faults.latency or faults.bytes_per_second:
            slow = len(piece) / faults.bytes_per_second if faults.bytes_per_second else 0
            await asyncio.sleep(faults.latency + slow)
        if self.faults.black_hole:
            await asyncio.Event().wait()
        if sending and faults.unavailable and piece.startswith((b"PUT ", b"POST ")):
            faults.unavailable -= 1
            back.write(_UNAVAILABLE)
            await back.drain()
            raise ConnectionResetError

    def _is_over(self, count: int, *, sending: bool) -> bool:
        if sending:
            self._sent += count
            limit = self.faults.reset_after_sent
            return limit is not None and self._sent > limit
        self._received += count
        limit = self.faults.reset_after_received
        return limit is not None and self._received > limit

    async def _hold_request(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Wait until the client ends the connection."""
        self._held.add(client)
        self.held.set()
        while await reader.read(_PIECE):
            pass

    async def _hold_response(self, client: asyncio.StreamWriter) -> None:
        if client in self._awaited:
            self._awaited.remove(client)
            self._held.add(client)
            self.held.set()
            await self._released.wait()


class _Steps:
    """The progress of one connection in `hold_at`."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._faults: Faults | None = None
        self._expected: list[bytes] = []

    def end_with(self, piece: bytes) -> bool:
        """Return whether the connection has all of them with this message."""
        if self._faults is not self._proxy.faults:
            self._faults = self._proxy.faults
            self._expected = list(self._faults.hold_at)
        if not self._expected or self._expected[0] not in piece:
            return False
        del self._expected[0]
        return not self._expected


@asynccontextmanager
async def fault_proxy(target: str) -> AsyncIterator[FaultProxy]:
    """Stand before `host:port`."""
    host, _, port = target.rpartition(":")
    proxy = FaultProxy((host, int(port)))
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await proxy.serve(reader, writer)
        except asyncio.CancelledError:
            return
        finally:
            connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
