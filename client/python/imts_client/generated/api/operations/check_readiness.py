from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.readiness import Readiness
from ...types import Response


def _get_kwargs() -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/readyz",
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | Readiness:
    if response.status_code == 200:
        response_200 = Readiness.from_dict(response.json())

        return response_200

    if response.status_code == 503:
        response_503 = Readiness.from_dict(response.json())

        return response_503

    if 400 <= response.status_code <= 499:
        response_4xx = Problem.from_dict(response.json())

        return response_4xx

    if 500 <= response.status_code <= 599:
        response_5xx = Problem.from_dict(response.json())

        return response_5xx

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Problem | Readiness]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
) -> Response[Problem | Readiness]:
    """Check readiness

     Probe each backend and return 200 if requests can be served, else 503.

    If MongoDB or Redis is down, the status is `degraded` with 200. A backend that cannot store
    anything, for example
    because its disk is full, is `read-only`. The status is then `degraded` with 200, too: reads are
    served, and another
    instance would have the same problem. A stopping process probes no backend. Load does not affect the
    status.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Readiness]
    """

    kwargs = _get_kwargs()

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
) -> Problem | Readiness | None:
    """Check readiness

     Probe each backend and return 200 if requests can be served, else 503.

    If MongoDB or Redis is down, the status is `degraded` with 200. A backend that cannot store
    anything, for example
    because its disk is full, is `read-only`. The status is then `degraded` with 200, too: reads are
    served, and another
    instance would have the same problem. A stopping process probes no backend. Load does not affect the
    status.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Readiness
    """

    return sync_detailed(
        client=client,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
) -> Response[Problem | Readiness]:
    """Check readiness

     Probe each backend and return 200 if requests can be served, else 503.

    If MongoDB or Redis is down, the status is `degraded` with 200. A backend that cannot store
    anything, for example
    because its disk is full, is `read-only`. The status is then `degraded` with 200, too: reads are
    served, and another
    instance would have the same problem. A stopping process probes no backend. Load does not affect the
    status.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Readiness]
    """

    kwargs = _get_kwargs()

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
) -> Problem | Readiness | None:
    """Check readiness

     Probe each backend and return 200 if requests can be served, else 503.

    If MongoDB or Redis is down, the status is `degraded` with 200. A backend that cannot store
    anything, for example
    because its disk is full, is `read-only`. The status is then `degraded` with 200, too: reads are
    served, and another
    instance would have the same problem. A stopping process probes no backend. Load does not affect the
    status.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Readiness
    """

    return (
        await asyncio_detailed(
            client=client,
        )
    ).parsed
