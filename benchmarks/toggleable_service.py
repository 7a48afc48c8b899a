"""One service whose recorder can be switched on and off while it runs: for benchmarks.telemetry.

    python -m benchmarks.toggleable_service LISTENER

It serves on an open socket. `GET /turn?<kind>` ends the current turn and begins one of that kind. The application of
the current kind answers every other request: `bare` (without RecordingMiddleware), `recorded`, or `floor` (a recorder
that keeps one tuple of a request and drops it). All of them share the backends that the lifespan opens.
"""

import asyncio
import socket
import sys
import time
from collections import deque
from collections.abc import Awaitable
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.settings import Settings
from app.http.middleware.request_recording import RecordingMiddleware
from app.main import create_app
from app.serving.server import tune_gc
from app.telemetry.recording.recorder import Recorder

SETTLE_SECONDS = 20
_TICK_SECONDS = 0.01


class Floor:
    """Keeps the minimum of a record, and drops it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: deque[tuple[Any, ...]] = deque(maxlen=1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        status = size = 0

        def noting(message: Message) -> Awaitable[None]:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            return send(message)

        started = time.perf_counter()
        await self.app(scope, receive, noting)
        self._kept.append((scope["path"], scope["method"], status, size, started, time.perf_counter()))


class Switch:
    """The applications of all kinds. One of them answers at a time."""

    def __init__(self) -> None:
        self._apps = {"recorded": create_app(Settings()), "bare": _without_recorder(), "floor": _without_recorder()}
        # The place of RecordingMiddleware: inside of RequestContextMiddleware, which was added last.
        self._apps["floor"].user_middleware.insert(1, _floor_middleware())
        self._app = self._apps["recorded"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http" or scope["path"] != "/turn":
            await self._app(scope, receive, send)
            return
        recorder: Recorder = scope["state"]["container"].recorder
        is_stable = await _settle(recorder)
        self._app = self._apps[scope["query_string"].decode()]
        figures = {
            "is_stable": is_stable,
            "processor_ns": time.process_time_ns(),
            "written": recorder.written,
            "dropped": recorder.dropped,
            "connected": recorder.connected,
        }
        await JSONResponse(figures)(scope, receive, send)


def _without_recorder() -> FastAPI:
    app = create_app(Settings())
    recorder = next(one for one in app.user_middleware if one.cls is RecordingMiddleware)  # type: ignore[comparison-overlap]
    app.user_middleware.remove(recorder)
    return app


def _floor_middleware() -> Any:
    holder = FastAPI()
    holder.add_middleware(Floor)
    return holder.user_middleware[0]


async def _settle(recorder: Recorder) -> bool:
    """Wait until all records are in MongoDB or, while it does not respond, on the disk."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while recorder.queue_length or (recorder.connected and recorder.undelivered):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_TICK_SECONDS)
    return True


class _Server(uvicorn.Server):
    """With the settings of the garbage collector that the server of the service has."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        tune_gc()


def main() -> None:
    """Serve on the socket with the given file descriptor."""
    # Not `fd=`: uvicorn takes that for a Unix socket and leaves TCP_NODELAY off, which costs 40 ms a request.
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(Switch(), log_config=None, access_log=False, timeout_keep_alive=2 * SETTLE_SECONDS)
    _Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
