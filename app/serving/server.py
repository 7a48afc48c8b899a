"""One worker: uvicorn with a graceful shutdown.

uvicorn's own shutdown closes every idle connection at once, also one whose next request is on its way. At its timeout
it responds with 500, and it closes the backends before cancelled requests have cleaned up. Here:

1. Readiness becomes 503, and every response closes its connection. The balancer gets time to notice.
2. Listening stops. An idle connection may send one more request for a moment, then it is closed.
3. Requests in progress continue until the timeout. Then they are cancelled: they clean up and respond with 503.
4. The backends are closed and telemetry is flushed, within `drain_seconds` of the signal.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from app.core.observability.logging import get_logger
from app.http.container import Container

logger = get_logger(__name__)

# How long an idle connection may send another request, at most.
IDLE_SECONDS = 5.0
# The part of `drain_seconds` that is reserved for cleanup and for closing the backends.
CLOSING_SECONDS = 6.0
HEARTBEAT_SECONDS = 1.0
HEARTBEAT = b"."
# A request allocates some thousand objects; by default, a collection runs every 700. It took 15 to 25 % of an upload.
GC_THRESHOLDS = (20_000, 20, 20)
_TICK_SECONDS = 0.05


def tune_gc() -> None:
    """Enable garbage collection of the objects created from now on, and run it less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


class DrainingServer(uvicorn.Server):
    """Serves until SIGTERM, SIGINT or SIGHUP, or until the supervisor closes its end of the socket."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float, supervisor: socket.socket | None = None) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._supervisor = supervisor
        # The supervisor has released this worker: another one listens on the same socket.
        self._replaced = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals. uvicorn's own handler raises them again at the end, so that a stop looks like a crash."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self.handle_exit)
        if self._supervisor:
            # SIGHUP is for the supervisor only, also when a terminal sends it to all processes.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the backends, listen and report to the supervisor."""
        await super().startup(sockets)
        tune_gc()
        if self._supervisor:
            self._reporting = asyncio.create_task(self._report(self._supervisor))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, as described in the module."""
        end = _now() + self._drain_seconds
        closing = min(CLOSING_SECONDS, self._drain_seconds / 3)
        container: Container = self.lifespan.state["container"]
        container.shutdown.begin(leaving=not self._replaced)
        logger.info("draining", requests=len(self.server_state.tasks))
        if not self._replaced:
            await self._until(lambda: False, min(end - closing, _now() + container.settings.drain_delay_seconds))
        self._stop_listening(sockets or [])
        await self._let_requests_finish(end - closing)
        await self._cancel_requests(end - closing / 2)
        await self._close_backends(end)

    def _stop_listening(self, sockets: list[socket.socket]) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()

    async def _let_requests_finish(self, deadline: float) -> None:
        state = self.server_state
        idle = min(IDLE_SECONDS, self._drain_seconds / 6)
        await self._until(lambda: not state.connections, min(deadline, _now() + idle))
        for connection in list(state.connections):
            # Closes at once, or after the response in progress.
            connection.shutdown()
        await self._until(lambda: not state.connections and not state.tasks, deadline)

    async def _cancel_requests(self, deadline: float) -> None:
        state = self.server_state
        if state.tasks:
            logger.warning("drain timeout reached, cancelling requests", cancelled=len(state.tasks))
        for task in list(state.tasks):
            task.cancel()
        await self._until(lambda: not state.connections and not state.tasks, deadline)
        for connection in list(state.connections):
            # The client does not read its response.
            connection.transport.abort()

    async def _close_backends(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(max(_TICK_SECONDS, deadline - _now())):
                await self.lifespan.shutdown()
        except TimeoutError:
            logger.error("backends not closed in time")  # noqa: TRY400 - a traceback adds nothing

    async def _until(self, done: Callable[[], bool], deadline: float) -> None:
        """Wait until done, the deadline or a second Ctrl-C."""
        while not done() and _now() < deadline and not self.force_exit:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_TICK_SECONDS)

    async def _report(self, supervisor: socket.socket) -> None:
        """Send a heartbeat every second, from the event loop, until the supervisor closes the socket or dies."""
        loop = asyncio.get_running_loop()
        released = loop.create_task(_until_closed(supervisor))
        while not released.done():
            with contextlib.suppress(OSError):
                await loop.sock_sendall(supervisor, HEARTBEAT)
            await asyncio.wait([released], timeout=HEARTBEAT_SECONDS)
        self._replaced = self.should_exit = True


async def _until_closed(supervisor: socket.socket) -> None:
    # The supervisor never sends anything. If it was killed with unread heartbeats, this end is reset.
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_recv(supervisor, 1)


def _now() -> float:
    return asyncio.get_running_loop().time()
