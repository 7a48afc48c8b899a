"""The application: middleware, problem handlers, routers. No logic."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.health.router import router as health_router
from app.http.middleware import (
    BodyLimitMiddleware,
    HeadMiddleware,
    InternalErrorMiddleware,
    RequestContextMiddleware,
)
from app.http.openapi import DESCRIPTION, TAGS, operation_id
from app.http.problems import Problem, install_problem_handlers
from app.http.recording import RecordingMiddleware
from app.images.router import router as images_router
from app.images.search_router import router as search_router
from app.images.tagging import router as tagging_router
from app.lifespan import make_lifespan
from app.tags.router import router as tags_router
from app.users.router import auth_router, users_router

# These read their bodies as streams and count the bytes themselves.
STREAMED = frozenset({("POST", "/v1/images")})


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the ASGI application with these settings, or those of the environment."""
    settings = settings or Settings()
    configure_logging(settings.log_level, "json" if settings.app_env == "production" else "console")
    app = FastAPI(
        title="Image-Tagged-System",
        version="1.0.0",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=make_lifespan(settings),
        generate_unique_id_function=operation_id,
        separate_input_output_schemas=False,
    )
    install_problem_handlers(app)
    for router in (users_router, auth_router, search_router, tagging_router, images_router, tags_router):
        app.include_router(router, prefix="/v1", responses={"default": {"model": Problem}})
    app.include_router(health_router)
    # Added last runs first: identity, record, CORS, the net for bugs, the body's bound.
    app.add_middleware(HeadMiddleware)
    app.add_middleware(BodyLimitMiddleware, streamed=STREAMED)
    app.add_middleware(InternalErrorMiddleware)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-Match", "If-None-Match", "Range", "X-Request-ID"],
        expose_headers=["ETag", "Link", "Location", "Retry-After", "X-Request-ID"],
    )
    app.add_middleware(RecordingMiddleware)
    app.add_middleware(RequestContextMiddleware)
    return app
