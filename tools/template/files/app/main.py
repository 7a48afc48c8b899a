"""The application: middleware, problem handlers, routers. No logic."""

import re

from fastapi import FastAPI

from app import VERSION
from app.core.observability.logging import configure_logging
from app.core.settings import Settings
from app.health.router import router as health_router
from app.http.middleware.client_address import ClientAddressMiddleware
from app.http.middleware.compression import CompressionMiddleware
from app.http.middleware.core_middleware import (
    BodyLimitMiddleware,
    HeadMiddleware,
    InternalErrorMiddleware,
    RequestContextMiddleware,
)
from app.http.middleware.cors import ContractCorsMiddleware
from app.http.middleware.request_recording import RecordingMiddleware
from app.http.middleware.span_details import SpanDetailsMiddleware
from app.http.openapi.document import DEFAULT_RESPONSE, install_openapi, operation_id
from app.http.openapi.documentation_pages import install_documentation
from app.http.openapi.introduction import DESCRIPTION, TAGS
from app.http.prefix_router import API_PREFIX
from app.http.problem_pages import router as problem_pages_router
from app.http.problems import install_problem_handlers
from app.http.site import home_router
from app.http.site import router as site_router
from app.lifespan import make_lifespan
from app.notes.router import router as notes_router
from app.ops.prometheus_router import router as prometheus_router
from app.telemetry.otlp.application_telemetry import open_export, telemetry_config

# Paths whose endpoints read their bodies as streams and count the bytes themselves: none yet.
STREAMED = re.compile(r"(?!)")


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the ASGI application with these settings, or those of the environment."""
    settings = settings or Settings()
    configure_logging(settings.log_level, "json" if settings.app_env == "production" else "console")
    export = open_export(settings)
    app = FastAPI(
        # `install_documentation` serves the document and its pages.
        openapi_url=None,
        title="Image-Tagged-System",
        version=VERSION,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        servers=[{"url": settings.path_prefix or "/", "description": "This service"}],
        lifespan=make_lifespan(settings, export),
        generate_unique_id_function=operation_id,
        # An unknown path is 404. A redirect would use the `Host` header that the client sent.
        redirect_slashes=False,
        telemetry=telemetry_config(export),
        separate_input_output_schemas=False,
    )
    install_problem_handlers(app)
    app.include_router(notes_router, prefix=API_PREFIX, responses=DEFAULT_RESPONSE)
    for unversioned in (health_router, prometheus_router, site_router):
        app.include_router(unversioned, responses=DEFAULT_RESPONSE)
    app.include_router(problem_pages_router)
    app.include_router(home_router)
    install_openapi(app, settings.path_prefix)
    install_documentation(app, settings.path_prefix)
    # The last one added runs first.
    app.add_middleware(BodyLimitMiddleware, streamed=STREAMED)
    app.add_middleware(CompressionMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(InternalErrorMiddleware)
    if settings.cors_origins:
        app.add_middleware(
            ContractCorsMiddleware,
            allow_origins=settings.cors_origins,
            openapi=app.openapi,
            path_prefix=settings.path_prefix,
        )
    if export:
        app.add_middleware(SpanDetailsMiddleware)
    app.add_middleware(RecordingMiddleware, client_spans=export.client_spans if export else None)
    app.add_middleware(RequestContextMiddleware, is_public_https=settings.public_url.startswith("https://"))
    if settings.trusted_proxies:
        app.add_middleware(ClientAddressMiddleware, trusted_proxies=settings.trusted_proxies)
    return app
