from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.similar_list import SimilarList
from ...types import UNSET, Response, Unset


def _get_kwargs(
    image_id: UUID,
    *,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["max_distance"] = max_distance

    params["limit"] = limit

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/images/{image_id}/similar".format(
            image_id=quote(str(image_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | SimilarList:
    if response.status_code == 200:
        response_200 = SimilarList.from_dict(response.json())

        return response_200

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

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
) -> Response[Problem | SimilarList]:
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
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> Response[Problem | SimilarList]:
    """List similar images

     Return the copies and near-duplicates of an image that the caller may see, nearest first.

    A perceptual hash finds them. Rescaled, recompressed and converted copies are near. Crops of more
    than about one
    percent are not. A flat picture has only copies with the same file or the same pixels.

    Args:
        image_id (UUID):
        max_distance (int | Unset): The largest number of different bits of the hashes, of 256.
            The index finds all images up to 31; more distant ones are not found, so larger values are
            refused. Default: 31.
        limit (int | Unset): The maximum number of items Default: 20.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SimilarList]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        max_distance=max_distance,
        limit=limit,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> Problem | SimilarList | None:
    """List similar images

     Return the copies and near-duplicates of an image that the caller may see, nearest first.

    A perceptual hash finds them. Rescaled, recompressed and converted copies are near. Crops of more
    than about one
    percent are not. A flat picture has only copies with the same file or the same pixels.

    Args:
        image_id (UUID):
        max_distance (int | Unset): The largest number of different bits of the hashes, of 256.
            The index finds all images up to 31; more distant ones are not found, so larger values are
            refused. Default: 31.
        limit (int | Unset): The maximum number of items Default: 20.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SimilarList
    """

    return sync_detailed(
        image_id=image_id,
        client=client,
        max_distance=max_distance,
        limit=limit,
    ).parsed


async def asyncio_detailed(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> Response[Problem | SimilarList]:
    """List similar images

     Return the copies and near-duplicates of an image that the caller may see, nearest first.

    A perceptual hash finds them. Rescaled, recompressed and converted copies are near. Crops of more
    than about one
    percent are not. A flat picture has only copies with the same file or the same pixels.

    Args:
        image_id (UUID):
        max_distance (int | Unset): The largest number of different bits of the hashes, of 256.
            The index finds all images up to 31; more distant ones are not found, so larger values are
            refused. Default: 31.
        limit (int | Unset): The maximum number of items Default: 20.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SimilarList]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        max_distance=max_distance,
        limit=limit,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> Problem | SimilarList | None:
    """List similar images

     Return the copies and near-duplicates of an image that the caller may see, nearest first.

    A perceptual hash finds them. Rescaled, recompressed and converted copies are near. Crops of more
    than about one
    percent are not. A flat picture has only copies with the same file or the same pixels.

    Args:
        image_id (UUID):
        max_distance (int | Unset): The largest number of different bits of the hashes, of 256.
            The index finds all images up to 31; more distant ones are not found, so larger values are
            refused. Default: 31.
        limit (int | Unset): The maximum number of items Default: 20.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SimilarList
    """

    return (
        await asyncio_detailed(
            image_id=image_id,
            client=client,
            max_distance=max_distance,
            limit=limit,
        )
    ).parsed
