"""The service on a real socket, in the test's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from app.core.settings import Settings
from app.serving.protocol import BoundedProtocol


@dataclass(slots=True)
class RunningService:
    """A service that answers at `url`."""

    url: str
    app: FastAPI


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to pytest."""
        yield


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[RunningService]:
    """Serve these settings on a free port of the loopback."""
    # Imported here: unit tests do not need it, and importing it takes 2 s.
    from app.main import create_app  # noqa: PLC0415

    app = create_app(settings)
    async with serving(app) as url:
        yield RunningService(url, app)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application on a free port of the loopback; yields its address."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        log_config=None,
        access_log=False,
        loop="none",
        proxy_headers=False,
        # Longer than a client keeps an idle connection: else one is closed as the next request is on its way.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
