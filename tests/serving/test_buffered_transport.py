"""The head and the body of a response are sent together."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import uvloop

from app.serving.buffered_transport import BUFFER_BYTES, BufferedTransport


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        for end in (near, far):
            end.setblocking(False)
        yield near, far


@pytest.fixture
async def transport(ends: tuple[socket.socket, socket.socket]) -> AsyncIterator[BufferedTransport]:
    made, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ends[0])
    yield BufferedTransport(made)
    made.abort()


def arrived(ends: tuple[socket.socket, socket.socket]) -> bytes:
    try:
        return ends[1].recv(10 * BUFFER_BYTES)
    except BlockingIOError:
        return b""


async def test_a_head_is_sent_with_the_body(
    transport: BufferedTransport, ends: tuple[socket.socket, socket.socket]
) -> None:
    transport.write(b"head ")
    assert arrived(ends) == b""
    transport.write(b"body")
    assert arrived(ends) == b"head body"
    await asyncio.sleep(0)
    assert arrived(ends) == b""


async def test_a_head_without_a_body_is_sent_in_the_next_iteration(
    transport: BufferedTransport, ends: tuple[socket.socket, socket.socket]
) -> None:
    transport.write(b"head ")
    await asyncio.sleep(0)
    assert arrived(ends) == b"head "
    transport.write(bytes(BUFFER_BYTES))
    assert arrived(ends) == bytes(BUFFER_BYTES)


async def test_the_buffer_is_sent_before_the_connection_closes(
    transport: BufferedTransport, ends: tuple[socket.socket, socket.socket]
) -> None:
    transport.write(b"head")
    transport.close()
    assert arrived(ends) == b"head"


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_buffer_of_an_aborted_connection_is_discarded(
    loop: type[asyncio.AbstractEventLoop], ends: tuple[socket.socket, socket.socket]
) -> None:
    wrong: list[object] = []

    async def abort() -> None:
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _loop, context: wrong.append(context))
        made, _ = await running.create_connection(asyncio.Protocol, sock=ends[0])
        transport = BufferedTransport(made)
        transport.write(b"head")
        transport.abort()
        await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(abort())
    assert wrong == []
    assert arrived(ends) == b""
