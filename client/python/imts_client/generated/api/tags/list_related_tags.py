from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.related_list import RelatedList
from ...types import UNSET, Response, Unset


def _get_kwargs(
    name: str,
    *,
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    params: dict[str, Any] = {}

    params["limit"] = limit

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/tags/{name}/related".format(
            name=quote(str(name), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Problem | RelatedList:
    if response.status_code == 200:
        response_200 = RelatedList.from_dict(response.json())

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

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 429:
        response_429 = Problem.from_dict(response.json())

        return response_429

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
) -> Response[Any | Problem | RelatedList]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    name: str,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> Response[Any | Problem | RelatedList]:
    """List related tags

     Return the tags that occur together with this one, ordered by the cosine similarity of their public
    images.

    The scores of a tag with thousands of images are estimated from a sample.

    Args:
        name (str): The name of the tag, or an alias of it
        limit (int | Unset): The maximum number of items Default: 20.
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | RelatedList]
    """

    kwargs = _get_kwargs(
        name=name,
        limit=limit,
        if_none_match=if_none_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    name: str,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> Any | Problem | RelatedList | None:
    """List related tags

     Return the tags that occur together with this one, ordered by the cosine similarity of their public
    images.

    The scores of a tag with thousands of images are estimated from a sample.

    Args:
        name (str): The name of the tag, or an alias of it
        limit (int | Unset): The maximum number of items Default: 20.
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | RelatedList
    """

    return sync_detailed(
        name=name,
        client=client,
        limit=limit,
        if_none_match=if_none_match,
    ).parsed


async def asyncio_detailed(
    name: str,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> Response[Any | Problem | RelatedList]:
    """List related tags

     Return the tags that occur together with this one, ordered by the cosine similarity of their public
    images.

    The scores of a tag with thousands of images are estimated from a sample.

    Args:
        name (str): The name of the tag, or an alias of it
        limit (int | Unset): The maximum number of items Default: 20.
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | RelatedList]
    """

    kwargs = _get_kwargs(
        name=name,
        limit=limit,
        if_none_match=if_none_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    name: str,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> Any | Problem | RelatedList | None:
    """List related tags

     Return the tags that occur together with this one, ordered by the cosine similarity of their public
    images.

    The scores of a tag with thousands of images are estimated from a sample.

    Args:
        name (str): The name of the tag, or an alias of it
        limit (int | Unset): The maximum number of items Default: 20.
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | RelatedList
    """

    return (
        await asyncio_detailed(
            name=name,
            client=client,
            limit=limit,
            if_none_match=if_none_match,
        )
    ).parsed
