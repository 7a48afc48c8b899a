"""One worker: uvicorn, with an end that cuts nobody off.

uvicorn's own shutdown closes every idle connection at once, also the one whose next request is on its way, and at its
limit it answers 500 and closes the backends under the requests that still clean up. Here:

1. Readiness turns, and every answer from now on closes its connection; the balancer is given time to notice.
2. Listening stops. A connection that is idle may bring one more request for a moment; then it is closed.
3. What is in flight goes on until the limit; then it is cancelled: it cleans up after itself and answers 503.
4. The backends are closed, telemetry flushed. All of it within `drain_seconds` of the signal.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from app.core.logging import get_logger
from app.http.container import Services

logger = get_logger(__name__)

# How long an idle connection may bring another request, at the most: as long as a client usually thinks.
IDLE_SECONDS = 5.0
# What is kept of the limit for clean-up and for closing the backends.
CLOSING_SECONDS = 6.0
BEAT_SECONDS = 1.0
ALIVE = b"."
# A request makes some thousand objects; the default is to look every 700. Measured: 15 to 25 % of an upload's time.
COLLECTOR_THRESHOLDS = (20_000, 20, 20)
_TICK_SECONDS = 0.05


def settle_collector() -> None:
    """Have the garbage collector leave alone what is loaded by now, and look less often at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


class DrainingServer(uvicorn.Server):
    """Serves until SIGTERM, SIGINT or SIGHUP, or until the supervisor at the other end of the socket lets go of it."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float, supervisor: socket.socket | None = None) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._supervisor = supervisor
        # Let go by the supervisor: another worker listens on the same socket already.
        self._replaced = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals for good: uvicorn's own raises them again at the end, and a stop would look like a crash."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self.handle_exit)
        if self._supervisor:
            # A restart is the supervisor's business, a terminal that hangs up nobody's.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the backends and listen; from then on the supervisor is told."""
        await super().startup(sockets)
        settle_collector()
        if self._supervisor:
            self._reporting = asyncio.create_task(self._report(self._supervisor))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain as the module says."""
        end = _now() + self._drain_seconds
        closing = min(CLOSING_SECONDS, self._drain_seconds / 3)
        services: Services = self.lifespan.state["services"]
        services.drain.begin(leaving=not self._replaced)
        logger.info("draining", requests=len(self.server_state.tasks))
        if not self._replaced:
            await self._until(lambda: False, min(end - closing, _now() + services.settings.drain_delay_seconds))
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
            # Closes it, or has it close after the answer that is under way.
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
            # Its client does not read what it was sent.
            connection.transport.abort()

    async def _close_backends(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(max(_TICK_SECONDS, deadline - _now())):
                await self.lifespan.shutdown()
        except TimeoutError:
            logger.error("backends not closed in time")  # noqa: TRY400 - a traceback adds nothing

    async def _until(self, done: Callable[[], bool], deadline: float) -> None:
        """Wait for it; not beyond the deadline, nor when Ctrl-C was pressed again."""
        while not done() and _now() < deadline and not self.force_exit:  # noqa: ASYNC110 - uvicorn tells none of it
            await asyncio.sleep(_TICK_SECONDS)

    async def _report(self, supervisor: socket.socket) -> None:
        """Tell the supervisor every second that the event loop turns, until it lets go or is gone itself."""
        loop = asyncio.get_running_loop()
        released = loop.create_task(_until_closed(supervisor))
        while not released.done():
            with contextlib.suppress(OSError):
                await loop.sock_sendall(supervisor, ALIVE)
            await asyncio.wait([released], timeout=BEAT_SECONDS)
        self._replaced = self.should_exit = True


async def _until_closed(supervisor: socket.socket) -> None:
    # It never sends anything; where it was killed with our signs of life unread, this end is reset.
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_recv(supervisor, 1)


def _now() -> float:
    return asyncio.get_running_loop().time()
