from http import HTTPStatus
from io import BytesIO
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.thumbnail_size import ThumbnailSize
from ...types import UNSET, File, Response, Unset


def _get_kwargs(
    image_id: UUID,
    *,
    size: ThumbnailSize | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    if not isinstance(if_modified_since, Unset):
        headers["If-Modified-Since"] = if_modified_since

    if not isinstance(if_unmodified_since, Unset):
        headers["If-Unmodified-Since"] = if_unmodified_since

    params: dict[str, Any] = {}

    json_size: int | Unset = UNSET
    if not isinstance(size, Unset):
        json_size = size.value

    params["size"] = json_size

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/images/{image_id}/thumbnail".format(
            image_id=quote(str(image_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | File | Problem:
    if response.status_code == 200:
        response_200 = File(payload=BytesIO(response.content))

        return response_200

    if response.status_code == 304:
        response_304 = cast(Any, None)
        return response_304

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 412:
        response_412 = Problem.from_dict(response.json())

        return response_412

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
) -> Response[Any | File | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    size: ThumbnailSize | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
) -> Response[Any | File | Problem]:
    """Get a thumbnail

     Return the image as WebP, scaled down to fit into a square of `size` pixels, upright and without
    metadata.

    Browsers can cache it for a year. Shared caches revalidate after five minutes, because its
    visibility can change.

    Args:
        image_id (UUID):
        size (ThumbnailSize | Unset): The longest side of a thumbnail in pixels.
        if_none_match (str | Unset):
        if_match (str | Unset):
        if_modified_since (str | Unset):
        if_unmodified_since (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | File | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        size=size,
        if_none_match=if_none_match,
        if_match=if_match,
        if_modified_since=if_modified_since,
        if_unmodified_since=if_unmodified_since,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    size: ThumbnailSize | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
) -> Any | File | Problem | None:
    """Get a thumbnail

     Return the image as WebP, scaled down to fit into a square of `size` pixels, upright and without
    metadata.

    Browsers can cache it for a year. Shared caches revalidate after five minutes, because its
    visibility can change.

    Args:
        image_id (UUID):
        size (ThumbnailSize | Unset): The longest side of a thumbnail in pixels.
        if_none_match (str | Unset):
        if_match (str | Unset):
        if_modified_since (str | Unset):
        if_unmodified_since (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | File | Problem
    """

    return sync_detailed(
        image_id=image_id,
        client=client,
        size=size,
        if_none_match=if_none_match,
        if_match=if_match,
        if_modified_since=if_modified_since,
        if_unmodified_since=if_unmodified_since,
    ).parsed


async def asyncio_detailed(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    size: ThumbnailSize | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
) -> Response[Any | File | Problem]:
    """Get a thumbnail

     Return the image as WebP, scaled down to fit into a square of `size` pixels, upright and without
    metadata.

    Browsers can cache it for a year. Shared caches revalidate after five minutes, because its
    visibility can change.

    Args:
        image_id (UUID):
        size (ThumbnailSize | Unset): The longest side of a thumbnail in pixels.
        if_none_match (str | Unset):
        if_match (str | Unset):
        if_modified_since (str | Unset):
        if_unmodified_since (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | File | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        size=size,
        if_none_match=if_none_match,
        if_match=if_match,
        if_modified_since=if_modified_since,
        if_unmodified_since=if_unmodified_since,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    size: ThumbnailSize | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
) -> Any | File | Problem | None:
    """Get a thumbnail

     Return the image as WebP, scaled down to fit into a square of `size` pixels, upright and without
    metadata.

    Browsers can cache it for a year. Shared caches revalidate after five minutes, because its
    visibility can change.

    Args:
        image_id (UUID):
        size (ThumbnailSize | Unset): The longest side of a thumbnail in pixels.
        if_none_match (str | Unset):
        if_match (str | Unset):
        if_modified_since (str | Unset):
        if_unmodified_since (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | File | Problem
    """

    return (
        await asyncio_detailed(
            image_id=image_id,
            client=client,
            size=size,
            if_none_match=if_none_match,
            if_match=if_match,
            if_modified_since=if_modified_since,
            if_unmodified_since=if_unmodified_since,
        )
    ).parsed
