from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.revert_request import RevertRequest
from ...models.revert_response import RevertResponse
from ...types import Response


def _get_kwargs(
    *,
    body: RevertRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/history/revert",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | RevertResponse:
    if response.status_code == 200:
        response_200 = RevertResponse.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 408:
        response_408 = Problem.from_dict(response.json())

        return response_408

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 429:
        response_429 = Problem.from_dict(response.json())

        return response_429

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

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
) -> Response[Problem | RevertResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: RevertRequest,
) -> Response[Problem | RevertResponse]:
    """Revert tag changes

     Apply the inverse of the selected changes to the caller's images; for an admin, to all images.

    A later change of the same tag of the same image is kept, and returned in `conflicts`. Implied tags
    follow the
    explicit ones. Only admins revert a merge, rename or deletion of a tag: the tag returns with its
    images, its aliases
    and its implications. Parts that later changes prevent are returned in `unrestored`.

    The images change in batches. Repeat the request to complete an interrupted revert; a completed one
    changes nothing.

    Args:
        body (RevertRequest): The changes to revert: of a batch, of an account in a period, or the
            events with these ids.

            `since` is inclusive and `until` exclusive; without them the period is open.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | RevertResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: RevertRequest,
) -> Problem | RevertResponse | None:
    """Revert tag changes

     Apply the inverse of the selected changes to the caller's images; for an admin, to all images.

    A later change of the same tag of the same image is kept, and returned in `conflicts`. Implied tags
    follow the
    explicit ones. Only admins revert a merge, rename or deletion of a tag: the tag returns with its
    images, its aliases
    and its implications. Parts that later changes prevent are returned in `unrestored`.

    The images change in batches. Repeat the request to complete an interrupted revert; a completed one
    changes nothing.

    Args:
        body (RevertRequest): The changes to revert: of a batch, of an account in a period, or the
            events with these ids.

            `since` is inclusive and `until` exclusive; without them the period is open.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | RevertResponse
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: RevertRequest,
) -> Response[Problem | RevertResponse]:
    """Revert tag changes

     Apply the inverse of the selected changes to the caller's images; for an admin, to all images.

    A later change of the same tag of the same image is kept, and returned in `conflicts`. Implied tags
    follow the
    explicit ones. Only admins revert a merge, rename or deletion of a tag: the tag returns with its
    images, its aliases
    and its implications. Parts that later changes prevent are returned in `unrestored`.

    The images change in batches. Repeat the request to complete an interrupted revert; a completed one
    changes nothing.

    Args:
        body (RevertRequest): The changes to revert: of a batch, of an account in a period, or the
            events with these ids.

            `since` is inclusive and `until` exclusive; without them the period is open.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | RevertResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: RevertRequest,
) -> Problem | RevertResponse | None:
    """Revert tag changes

     Apply the inverse of the selected changes to the caller's images; for an admin, to all images.

    A later change of the same tag of the same image is kept, and returned in `conflicts`. Implied tags
    follow the
    explicit ones. Only admins revert a merge, rename or deletion of a tag: the tag returns with its
    images, its aliases
    and its implications. Parts that later changes prevent are returned in `unrestored`.

    The images change in batches. Repeat the request to complete an interrupted revert; a completed one
    changes nothing.

    Args:
        body (RevertRequest): The changes to revert: of a batch, of an account in a period, or the
            events with these ids.

            `since` is inclusive and `until` exclusive; without them the period is open.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | RevertResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
