"""The endpoint that Prometheus scrapes."""

import secrets

from fastapi import APIRouter, Request, Response
from fastapi.security.utils import get_authorization_scheme_param
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from app.core.errors import InvalidToken, Unauthenticated
from app.core.settings import ServerSettings
from app.http.dependencies import ContainerDep
from app.http.problems import problems

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    summary="Get metrics for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Prometheus text", "content": {"text/plain": {}}},
        **problems(Unauthenticated, InvalidToken),
    },
)
async def read_metrics(request: Request, container: ContainerDep) -> Response:
    """Return the metrics of all workers of this machine.

    `METRICS_TOKEN`, if it is set, is required as a bearer token.
    """
    require_metrics_token(request.headers.get("authorization"), container.settings)
    return Response(await container.recorder.metrics_text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def require_metrics_token(authorization: str | None, settings: ServerSettings) -> None:
    """Check the bearer token of Prometheus. Raises Unauthenticated, InvalidToken."""
    if settings.metrics_token is None:
        return
    if authorization is None:
        raise Unauthenticated
    _scheme, token = get_authorization_scheme_param(authorization)
    expected = settings.metrics_token.get_secret_value()
    if not secrets.compare_digest(token.encode("utf-8", "replace"), expected.encode()):
        raise InvalidToken
