"""A small application behind the real middleware, on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse

from app.authz.principal import Principal
from app.core.observability.request_counters import count_cache, count_statement
from app.core.settings import Settings
from app.http.middleware.core_middleware import HeadMiddleware, InternalErrorMiddleware, RequestContextMiddleware
from app.http.middleware.request_recording import RecordingMiddleware
from app.http.problems import install_problem_handlers
from app.http.shutdown_state import ShutdownState
from app.images.errors import ImageNotFound
from app.telemetry.recording.recorder import Recorder

things = APIRouter(prefix="/things")
nested = APIRouter(prefix="/nested")


@things.get("/{thing_id}")
async def get_thing(thing_id: int, request: Request) -> dict[str, int]:
    request.state.user_id, request.state.credential_id = "user-1", "session-1"
    count_statement(0.25)
    count_statement(0.25)
    count_cache(hit=True)
    count_cache(hit=False)
    if thing_id == 404:
        raise ImageNotFound
    if thing_id == 500:
        raise RuntimeError("a bug")
    return {"thing": thing_id}


@things.post("/")
async def take_thing(request: Request) -> int:
    return len(await request.body())


@nested.get("/stream/{mode}")
async def stream(mode: str) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 1000
        if mode == "bug":
            raise RuntimeError("a bug in the middle")
        while mode == "endless":
            yield b"x" * 1000
            await asyncio.sleep(0.01)

    return StreamingResponse(chunks())


things.include_router(nested)


def make_app(recorder: Recorder, *routers: APIRouter, principal: Principal | None = None, **parts: Any) -> FastAPI:
    """Make an application whose requests come from `principal`, as if they had its credentials."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        await recorder.start()
        settings = Settings(_env_file=None, app_env="development")
        container = SimpleNamespace(recorder=recorder, shutdown=ShutdownState(), settings=settings, **parts)
        yield {"container": container, "principal": principal}
        await recorder.close()

    app = FastAPI(lifespan=lifespan)
    install_problem_handlers(app)
    for router in (things, *routers):
        app.include_router(router, prefix="/v1")
    for middleware in (HeadMiddleware, InternalErrorMiddleware, RecordingMiddleware, RequestContextMiddleware):
        app.add_middleware(middleware)
    return app
