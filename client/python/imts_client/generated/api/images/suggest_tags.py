from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.suggested_tag_list import SuggestedTagList
from ...types import UNSET, Response, Unset


def _get_kwargs(
    image_id: UUID,
    *,
    limit: int | Unset = 20,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["limit"] = limit

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/images/{image_id}/suggested-tags".format(
            image_id=quote(str(image_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | SuggestedTagList:
    if response.status_code == 200:
        response_200 = SuggestedTagList.from_dict(response.json())

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
) -> Response[Problem | SuggestedTagList]:
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
    limit: int | Unset = 20,
) -> Response[Problem | SuggestedTagList]:
    """Suggest tags for an image

     Return tags that the image lacks and that images which the caller may see vote for, the best first.

    * Copies of the image vote by their similarity.
    * Images that share a tag with it vote by how often the suggested tag occurs with the shared one. Of
    500 images
      divided by the number of tags, the first of each tag vote.
    * `score` is the sum of the votes, divided by the binary logarithm of the number of public images
    with the tag plus
      2. So a rare tag needs fewer votes than a common one.

    To accept a suggestion, add the tag with `"source": "suggestion"`. The history then has this source.

    Args:
        image_id (UUID):
        limit (int | Unset): The maximum number of items Default: 20.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SuggestedTagList]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
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
    limit: int | Unset = 20,
) -> Problem | SuggestedTagList | None:
    """Suggest tags for an image

     Return tags that the image lacks and that images which the caller may see vote for, the best first.

    * Copies of the image vote by their similarity.
    * Images that share a tag with it vote by how often the suggested tag occurs with the shared one. Of
    500 images
      divided by the number of tags, the first of each tag vote.
    * `score` is the sum of the votes, divided by the binary logarithm of the number of public images
    with the tag plus
      2. So a rare tag needs fewer votes than a common one.

    To accept a suggestion, add the tag with `"source": "suggestion"`. The history then has this source.

    Args:
        image_id (UUID):
        limit (int | Unset): The maximum number of items Default: 20.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SuggestedTagList
    """

    return sync_detailed(
        image_id=image_id,
        client=client,
        limit=limit,
    ).parsed


async def asyncio_detailed(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
) -> Response[Problem | SuggestedTagList]:
    """Suggest tags for an image

     Return tags that the image lacks and that images which the caller may see vote for, the best first.

    * Copies of the image vote by their similarity.
    * Images that share a tag with it vote by how often the suggested tag occurs with the shared one. Of
    500 images
      divided by the number of tags, the first of each tag vote.
    * `score` is the sum of the votes, divided by the binary logarithm of the number of public images
    with the tag plus
      2. So a rare tag needs fewer votes than a common one.

    To accept a suggestion, add the tag with `"source": "suggestion"`. The history then has this source.

    Args:
        image_id (UUID):
        limit (int | Unset): The maximum number of items Default: 20.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SuggestedTagList]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        limit=limit,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
) -> Problem | SuggestedTagList | None:
    """Suggest tags for an image

     Return tags that the image lacks and that images which the caller may see vote for, the best first.

    * Copies of the image vote by their similarity.
    * Images that share a tag with it vote by how often the suggested tag occurs with the shared one. Of
    500 images
      divided by the number of tags, the first of each tag vote.
    * `score` is the sum of the votes, divided by the binary logarithm of the number of public images
    with the tag plus
      2. So a rare tag needs fewer votes than a common one.

    To accept a suggestion, add the tag with `"source": "suggestion"`. The history then has this source.

    Args:
        image_id (UUID):
        limit (int | Unset): The maximum number of items Default: 20.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SuggestedTagList
    """

    return (
        await asyncio_detailed(
            image_id=image_id,
            client=client,
            limit=limit,
        )
    ).parsed
