from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.duplicate_page import DuplicatePage
from ...models.problem import Problem
from ...models.similarity_kind import SimilarityKind
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    kind: SimilarityKind | Unset = UNSET,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_kind: str | Unset = UNSET
    if not isinstance(kind, Unset):
        json_kind = kind.value

    params["kind"] = json_kind

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
        "url": "/v1/images/duplicates",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> DuplicatePage | Problem:
    if response.status_code == 200:
        response_200 = DuplicatePage.from_dict(response.json())

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
) -> Response[DuplicatePage | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    kind: SimilarityKind | Unset = UNSET,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
) -> Response[DuplicatePage | Problem]:
    """List duplicates

     Return a page of groups of duplicates among the caller's own images.

    A group is an image with its newer duplicates, the oldest first. It lists at most 100 images. A
    group that is a part
    of another one is left out, and so is one whose images are all of a closer kind. A near copy of a
    near copy can
    be in another group. The groups are in the order of their oldest images.

    A page has at most 1,000 images and ends after about a second. So it can have fewer groups than
    `limit`, also none,
    before the last page. The last page has no `next_cursor`.

    Args:
        kind (SimilarityKind | Unset): How two images are similar: the same file, the same decoded
            picture, or near hashes. The closest first.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DuplicatePage | Problem]
    """

    kwargs = _get_kwargs(
        kind=kind,
        limit=limit,
        cursor=cursor,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    kind: SimilarityKind | Unset = UNSET,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
) -> DuplicatePage | Problem | None:
    """List duplicates

     Return a page of groups of duplicates among the caller's own images.

    A group is an image with its newer duplicates, the oldest first. It lists at most 100 images. A
    group that is a part
    of another one is left out, and so is one whose images are all of a closer kind. A near copy of a
    near copy can
    be in another group. The groups are in the order of their oldest images.

    A page has at most 1,000 images and ends after about a second. So it can have fewer groups than
    `limit`, also none,
    before the last page. The last page has no `next_cursor`.

    Args:
        kind (SimilarityKind | Unset): How two images are similar: the same file, the same decoded
            picture, or near hashes. The closest first.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DuplicatePage | Problem
    """

    return sync_detailed(
        client=client,
        kind=kind,
        limit=limit,
        cursor=cursor,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    kind: SimilarityKind | Unset = UNSET,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
) -> Response[DuplicatePage | Problem]:
    """List duplicates

     Return a page of groups of duplicates among the caller's own images.

    A group is an image with its newer duplicates, the oldest first. It lists at most 100 images. A
    group that is a part
    of another one is left out, and so is one whose images are all of a closer kind. A near copy of a
    near copy can
    be in another group. The groups are in the order of their oldest images.

    A page has at most 1,000 images and ends after about a second. So it can have fewer groups than
    `limit`, also none,
    before the last page. The last page has no `next_cursor`.

    Args:
        kind (SimilarityKind | Unset): How two images are similar: the same file, the same decoded
            picture, or near hashes. The closest first.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DuplicatePage | Problem]
    """

    kwargs = _get_kwargs(
        kind=kind,
        limit=limit,
        cursor=cursor,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    kind: SimilarityKind | Unset = UNSET,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
) -> DuplicatePage | Problem | None:
    """List duplicates

     Return a page of groups of duplicates among the caller's own images.

    A group is an image with its newer duplicates, the oldest first. It lists at most 100 images. A
    group that is a part
    of another one is left out, and so is one whose images are all of a closer kind. A near copy of a
    near copy can
    be in another group. The groups are in the order of their oldest images.

    A page has at most 1,000 images and ends after about a second. So it can have fewer groups than
    `limit`, also none,
    before the last page. The last page has no `next_cursor`.

    Args:
        kind (SimilarityKind | Unset): How two images are similar: the same file, the same decoded
            picture, or near hashes. The closest first.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DuplicatePage | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            kind=kind,
            limit=limit,
            cursor=cursor,
        )
    ).parsed
