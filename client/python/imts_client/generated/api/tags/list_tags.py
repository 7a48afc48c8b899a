from http import HTTPStatus
from typing import Any, cast

import httpx

from ...client import AuthenticatedClient, Client
from ...models.list_tags_sort import ListTagsSort
from ...models.problem import Problem
from ...models.tag_page import TagPage
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    prefix: None | str | Unset = UNSET,
    contains: None | str | Unset = UNSET,
    sort: ListTagsSort | Unset = ListTagsSort.COUNT,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    params: dict[str, Any] = {}

    json_prefix: None | str | Unset
    if isinstance(prefix, Unset):
        json_prefix = UNSET
    else:
        json_prefix = prefix
    params["prefix"] = json_prefix

    json_contains: None | str | Unset
    if isinstance(contains, Unset):
        json_contains = UNSET
    else:
        json_contains = contains
    params["contains"] = json_contains

    json_sort: str | Unset = UNSET
    if not isinstance(sort, Unset):
        json_sort = sort.value

    params["sort"] = json_sort

    params["limit"] = limit

    json_cursor: None | str | Unset
    if isinstance(cursor, Unset):
        json_cursor = UNSET
    else:
        json_cursor = cursor
    params["cursor"] = json_cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/tags",
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Problem | TagPage:
    if response.status_code == 200:
        response_200 = TagPage.from_dict(response.json())

        return response_200

    if response.status_code == 304:
        response_304 = cast(Any, None)
        return response_304

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

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
) -> Response[Any | Problem | TagPage]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    prefix: None | str | Unset = UNSET,
    contains: None | str | Unset = UNSET,
    sort: ListTagsSort | Unset = ListTagsSort.COUNT,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[Any | Problem | TagPage]:
    """List tags

     Return a page of the tags that the caller may see. `prefix` is meant for autocompletion.

    A tag that only private images have is visible only to their owners and admins. A tag created by
    `POST` is visible
    to everyone.

    Args:
        prefix (None | str | Unset): The start of a name or alias
        contains (None | str | Unset): A part of a name or alias
        sort (ListTagsSort | Unset): The order: by number of images, descending, or by name
            Default: ListTagsSort.COUNT.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | TagPage]
    """

    kwargs = _get_kwargs(
        prefix=prefix,
        contains=contains,
        sort=sort,
        limit=limit,
        cursor=cursor,
        if_none_match=if_none_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    prefix: None | str | Unset = UNSET,
    contains: None | str | Unset = UNSET,
    sort: ListTagsSort | Unset = ListTagsSort.COUNT,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Any | Problem | TagPage | None:
    """List tags

     Return a page of the tags that the caller may see. `prefix` is meant for autocompletion.

    A tag that only private images have is visible only to their owners and admins. A tag created by
    `POST` is visible
    to everyone.

    Args:
        prefix (None | str | Unset): The start of a name or alias
        contains (None | str | Unset): A part of a name or alias
        sort (ListTagsSort | Unset): The order: by number of images, descending, or by name
            Default: ListTagsSort.COUNT.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | TagPage
    """

    return sync_detailed(
        client=client,
        prefix=prefix,
        contains=contains,
        sort=sort,
        limit=limit,
        cursor=cursor,
        if_none_match=if_none_match,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    prefix: None | str | Unset = UNSET,
    contains: None | str | Unset = UNSET,
    sort: ListTagsSort | Unset = ListTagsSort.COUNT,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[Any | Problem | TagPage]:
    """List tags

     Return a page of the tags that the caller may see. `prefix` is meant for autocompletion.

    A tag that only private images have is visible only to their owners and admins. A tag created by
    `POST` is visible
    to everyone.

    Args:
        prefix (None | str | Unset): The start of a name or alias
        contains (None | str | Unset): A part of a name or alias
        sort (ListTagsSort | Unset): The order: by number of images, descending, or by name
            Default: ListTagsSort.COUNT.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | TagPage]
    """

    kwargs = _get_kwargs(
        prefix=prefix,
        contains=contains,
        sort=sort,
        limit=limit,
        cursor=cursor,
        if_none_match=if_none_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    prefix: None | str | Unset = UNSET,
    contains: None | str | Unset = UNSET,
    sort: ListTagsSort | Unset = ListTagsSort.COUNT,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Any | Problem | TagPage | None:
    """List tags

     Return a page of the tags that the caller may see. `prefix` is meant for autocompletion.

    A tag that only private images have is visible only to their owners and admins. A tag created by
    `POST` is visible
    to everyone.

    Args:
        prefix (None | str | Unset): The start of a name or alias
        contains (None | str | Unset): A part of a name or alias
        sort (ListTagsSort | Unset): The order: by number of images, descending, or by name
            Default: ListTagsSort.COUNT.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | TagPage
    """

    return (
        await asyncio_detailed(
            client=client,
            prefix=prefix,
            contains=contains,
            sort=sort,
            limit=limit,
            cursor=cursor,
            if_none_match=if_none_match,
        )
    ).parsed
