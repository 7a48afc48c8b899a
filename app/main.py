"""The application: middleware, problem handlers, routers. No logic."""

import re
from collections.abc import Iterator

from fastapi import APIRouter, FastAPI

from app import VERSION
from app.administration.invitations_router import router as invitations_router
from app.administration.router import router as administration_router
from app.core.observability.logging import configure_logging
from app.core.settings import Settings
from app.gallery.install import install_gallery
from app.health.router import router as health_router
from app.history.router import router as history_router
from app.history.router import tag_history_router
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
from app.http.middleware.response_cache_middleware import CachedPath, ResponseCacheMiddleware, cached_path
from app.http.middleware.span_details import SpanDetailsMiddleware
from app.http.openapi.document import DEFAULT_RESPONSE, install_openapi, operation_id
from app.http.openapi.documentation_pages import install_documentation
from app.http.openapi.introduction import DESCRIPTION, TAGS
from app.http.prefix_router import API_PREFIX
from app.http.problem_pages import router as problem_pages_router
from app.http.problems import install_problem_handlers
from app.http.site import home_router
from app.http.site import router as site_router
from app.images.bulk.router import router as bulk_router
from app.images.content.router import router as image_content_router
from app.images.duplicates.router import router as duplicates_router
from app.images.explain.router import router as explain_router
from app.images.history_router import router as image_history_router
from app.images.router import router as images_router
from app.images.search_router import router as search_router
from app.images.similar.router import router as similar_router
from app.images.suggestions.router import router as suggestions_router
from app.images.tags.router import router as tagging_router
from app.images.trash.router import router as trash_router
from app.lifespan import make_lifespan
from app.ops.pages import install_pages
from app.ops.prometheus_router import router as prometheus_router
from app.ops.router import router as ops_router
from app.tags.router import router as tags_router
from app.telemetry.otlp.application_telemetry import open_export, telemetry_config
from app.uploads.router import router as uploads_router
from app.users.account_mail.mailed_link_pages import pages as mailed_link_pages
from app.users.account_mail.router import router as account_mail_router
from app.users.accounts.router import router as users_router
from app.users.api_keys.router import router as api_keys_router
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import cache_partition_key
from app.users.sessions.auth_router import router as auth_router
from app.users.sessions.auth_router import token_router
from app.users.sessions.router import router as sessions_router
from app.users.social.identities_router import router as identities_router
from app.users.social.router import router as social_router

# These endpoints read their bodies as streams and count the bytes themselves: POST or PATCH of these paths.
STREAMED = re.compile("/v1/(?:images|images/similar|uploads|uploads/[^/]+)")


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
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=make_lifespan(settings, export),
        generate_unique_id_function=operation_id,
        # An unknown path is 404. A redirect would use the `Host` header that the client sent.
        redirect_slashes=False,
        telemetry=telemetry_config(export),
        separate_input_output_schemas=False,
    )
    install_problem_handlers(app)
    accounts = (
        users_router,
        sessions_router,
        api_keys_router,
        account_mail_router,
        invitations_router,
        administration_router,
        auth_router,
        token_router,
        identities_router,
        social_router,
    )
    # Each request is matched in this order, so the most frequent routes come first.
    # `/images/duplicates` and `/images/similar` precede `/images/{image_id}`.
    images = (
        image_content_router,
        search_router,
        duplicates_router,
        explain_router,
        similar_router,
        images_router,
        tagging_router,
        bulk_router,
        suggestions_router,
    )
    history = (image_history_router, tag_history_router, history_router)
    for router in (*images, tags_router, uploads_router, trash_router, *history, *accounts, ops_router):
        app.include_router(router, prefix=API_PREFIX, responses=DEFAULT_RESPONSE)
    for unversioned in (health_router, prometheus_router, site_router):
        app.include_router(unversioned, responses=DEFAULT_RESPONSE)
    app.include_router(problem_pages_router)
    app.include_router(mailed_link_pages)
    if settings.gallery:
        install_gallery(app)
    else:
        app.include_router(home_router)
    install_pages(app)
    install_openapi(app, settings.path_prefix)
    install_documentation(app, settings.path_prefix)
    # The last one added runs first: client address, request context, recording, span details, CORS, internal errors,
    # HEAD, compression, response cache, body limit.
    app.add_middleware(BodyLimitMiddleware, streamed=STREAMED)
    app.add_middleware(ResponseCacheMiddleware, paths=list(_cached_paths(*images, tags_router)))
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


def _cached_paths(*routers: APIRouter) -> Iterator[CachedPath]:
    """Yield the cacheable routes. Routes that do not depend on the caller skip authentication."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, AuthenticatedRoute):
                path = cached_path("/v1", route, cache_partition_key if route.requires_principal else None)
                if path:
                    yield path
