from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.list_images_similar_to_file_body import ListImagesSimilarToFileBody
from ...models.problem import Problem
from ...models.similar_list import SimilarList
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: ListImagesSimilarToFileBody,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    params: dict[str, Any] = {}

    params["max_distance"] = max_distance

    params["limit"] = limit

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/images/similar",
        "params": params,
    }

    _kwargs["files"] = body.to_multipart()

    headers["Content-Type"] = "multipart/form-data; boundary=+++"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | SimilarList:
    if response.status_code == 200:
        response_200 = SimilarList.from_dict(response.json())

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
) -> Response[Problem | SimilarList]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: ListImagesSimilarToFileBody,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> Response[Problem | SimilarList]:
    """List images similar to a file

     Return the copies and near-duplicates of a file that the caller may see, nearest first. Nothing is
    stored.

    The file passes the checks of an upload, and counts as one for the rate limit.

    Args:
        max_distance (int | Unset): The largest number of different bits of the hashes, of 256.
            The index finds all images up to 31; more distant ones are not found, so larger values are
            refused. Default: 31.
        limit (int | Unset): The maximum number of items Default: 20.
        body (ListImagesSimilarToFileBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SimilarList]
    """

    kwargs = _get_kwargs(
        body=body,
        max_distance=max_distance,
        limit=limit,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: ListImagesSimilarToFileBody,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> Problem | SimilarList | None:
    """List images similar to a file

     Return the copies and near-duplicates of a file that the caller may see, nearest first. Nothing is
    stored.

    The file passes the checks of an upload, and counts as one for the rate limit.

    Args:
        max_distance (int | Unset): The largest number of different bits of the hashes, of 256.
            The index finds all images up to 31; more distant ones are not found, so larger values are
            refused. Default: 31.
        limit (int | Unset): The maximum number of items Default: 20.
        body (ListImagesSimilarToFileBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SimilarList
    """

    return sync_detailed(
        client=client,
        body=body,
        max_distance=max_distance,
        limit=limit,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: ListImagesSimilarToFileBody,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> Response[Problem | SimilarList]:
    """List images similar to a file

     Return the copies and near-duplicates of a file that the caller may see, nearest first. Nothing is
    stored.

    The file passes the checks of an upload, and counts as one for the rate limit.

    Args:
        max_distance (int | Unset): The largest number of different bits of the hashes, of 256.
            The index finds all images up to 31; more distant ones are not found, so larger values are
            refused. Default: 31.
        limit (int | Unset): The maximum number of items Default: 20.
        body (ListImagesSimilarToFileBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SimilarList]
    """

    kwargs = _get_kwargs(
        body=body,
        max_distance=max_distance,
        limit=limit,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: ListImagesSimilarToFileBody,
    max_distance: int | Unset = 31,
    limit: int | Unset = 20,
) -> Problem | SimilarList | None:
    """List images similar to a file

     Return the copies and near-duplicates of a file that the caller may see, nearest first. Nothing is
    stored.

    The file passes the checks of an upload, and counts as one for the rate limit.

    Args:
        max_distance (int | Unset): The largest number of different bits of the hashes, of 256.
            The index finds all images up to 31; more distant ones are not found, so larger values are
            refused. Default: 31.
        limit (int | Unset): The maximum number of items Default: 20.
        body (ListImagesSimilarToFileBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SimilarList
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            max_distance=max_distance,
            limit=limit,
        )
    ).parsed
