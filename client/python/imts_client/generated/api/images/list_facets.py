from http import HTTPStatus
from typing import Any, cast

import httpx

from ...client import AuthenticatedClient, Client
from ...models.facet_list import FacetList
from ...models.list_facets_by import ListFacetsBy
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    by: ListFacetsBy,
    q: str | Unset = "",
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    params: dict[str, Any] = {}

    json_by = by.value
    params["by"] = json_by

    params["q"] = q

    params["limit"] = limit

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/images/facets",
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | FacetList | Problem:
    if response.status_code == 200:
        response_200 = FacetList.from_dict(response.json())

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
) -> Response[Any | FacetList | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    by: ListFacetsBy,
    q: str | Unset = "",
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> Response[Any | FacetList | Problem]:
    """Count the values of a field

     Return the most frequent values of a field among the images that match the query and that the caller
    may see.

    Each value is a valid value of the filter for the field: a tag, or a value of `type:`, `uploader:`,
    `date:` or
    `camera:`. Years and months are those of `created_at` in UTC. `total` is the number of matching
    images. Where an exact result would take too long, it is estimated from a sample.

    Args:
        by (ListFacetsBy): The field
        q (str | Unset): Tags and filters. Terms side by side mean AND, which binds tighter than
            `OR` (or `|`). `-` or `NOT` negates, `( )`
            groups, `2-of:(a b c)` requires two of the three. Quote a tag with spaces, or one that
            looks like a filter: `"red
            sofa"`. Wildcards match tag names: `cat*`, `*cat`, `c*t`. An empty query and `*` match all
            images. A term with a colon
            is a tag unless its prefix is a filter: `rating:safe`.

            Filters: `uploader:me|none|<id>`, `name:<glob>`, `camera:<glob>`,
            `type:jpeg|png|webp|gif|avif|heic`,
            `visibility:private|public`, `sha256:`, `similar:<image id>`, and `width: height: pixels:
            tags: ratio: size: date:
            taken:` with `a`, `a,b`, `>a`, `>=a`, `<a`, `<=a`, `a..b`, `a..`, `..b`. `size` takes b,
            kb, mb and gb (powers of
            1024), `ratio` 16:9 or 1.5, `date` 2026, 2026-03, 2026-03-09, a time, today, yesterday or
            `7d..` (h, d, w, y), in UTC;
            `taken` takes the same in the local time of the camera. Limits: 4096 characters, 50 terms,
            50 values of a filter, 10
            nested groups, 100 tags of a wildcard. Default: ''.
        limit (int | Unset): The maximum number of items Default: 20.
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | FacetList | Problem]
    """

    kwargs = _get_kwargs(
        by=by,
        q=q,
        limit=limit,
        if_none_match=if_none_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    by: ListFacetsBy,
    q: str | Unset = "",
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> Any | FacetList | Problem | None:
    """Count the values of a field

     Return the most frequent values of a field among the images that match the query and that the caller
    may see.

    Each value is a valid value of the filter for the field: a tag, or a value of `type:`, `uploader:`,
    `date:` or
    `camera:`. Years and months are those of `created_at` in UTC. `total` is the number of matching
    images. Where an exact result would take too long, it is estimated from a sample.

    Args:
        by (ListFacetsBy): The field
        q (str | Unset): Tags and filters. Terms side by side mean AND, which binds tighter than
            `OR` (or `|`). `-` or `NOT` negates, `( )`
            groups, `2-of:(a b c)` requires two of the three. Quote a tag with spaces, or one that
            looks like a filter: `"red
            sofa"`. Wildcards match tag names: `cat*`, `*cat`, `c*t`. An empty query and `*` match all
            images. A term with a colon
            is a tag unless its prefix is a filter: `rating:safe`.

            Filters: `uploader:me|none|<id>`, `name:<glob>`, `camera:<glob>`,
            `type:jpeg|png|webp|gif|avif|heic`,
            `visibility:private|public`, `sha256:`, `similar:<image id>`, and `width: height: pixels:
            tags: ratio: size: date:
            taken:` with `a`, `a,b`, `>a`, `>=a`, `<a`, `<=a`, `a..b`, `a..`, `..b`. `size` takes b,
            kb, mb and gb (powers of
            1024), `ratio` 16:9 or 1.5, `date` 2026, 2026-03, 2026-03-09, a time, today, yesterday or
            `7d..` (h, d, w, y), in UTC;
            `taken` takes the same in the local time of the camera. Limits: 4096 characters, 50 terms,
            50 values of a filter, 10
            nested groups, 100 tags of a wildcard. Default: ''.
        limit (int | Unset): The maximum number of items Default: 20.
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | FacetList | Problem
    """

    return sync_detailed(
        client=client,
        by=by,
        q=q,
        limit=limit,
        if_none_match=if_none_match,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    by: ListFacetsBy,
    q: str | Unset = "",
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> Response[Any | FacetList | Problem]:
    """Count the values of a field

     Return the most frequent values of a field among the images that match the query and that the caller
    may see.

    Each value is a valid value of the filter for the field: a tag, or a value of `type:`, `uploader:`,
    `date:` or
    `camera:`. Years and months are those of `created_at` in UTC. `total` is the number of matching
    images. Where an exact result would take too long, it is estimated from a sample.

    Args:
        by (ListFacetsBy): The field
        q (str | Unset): Tags and filters. Terms side by side mean AND, which binds tighter than
            `OR` (or `|`). `-` or `NOT` negates, `( )`
            groups, `2-of:(a b c)` requires two of the three. Quote a tag with spaces, or one that
            looks like a filter: `"red
            sofa"`. Wildcards match tag names: `cat*`, `*cat`, `c*t`. An empty query and `*` match all
            images. A term with a colon
            is a tag unless its prefix is a filter: `rating:safe`.

            Filters: `uploader:me|none|<id>`, `name:<glob>`, `camera:<glob>`,
            `type:jpeg|png|webp|gif|avif|heic`,
            `visibility:private|public`, `sha256:`, `similar:<image id>`, and `width: height: pixels:
            tags: ratio: size: date:
            taken:` with `a`, `a,b`, `>a`, `>=a`, `<a`, `<=a`, `a..b`, `a..`, `..b`. `size` takes b,
            kb, mb and gb (powers of
            1024), `ratio` 16:9 or 1.5, `date` 2026, 2026-03, 2026-03-09, a time, today, yesterday or
            `7d..` (h, d, w, y), in UTC;
            `taken` takes the same in the local time of the camera. Limits: 4096 characters, 50 terms,
            50 values of a filter, 10
            nested groups, 100 tags of a wildcard. Default: ''.
        limit (int | Unset): The maximum number of items Default: 20.
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | FacetList | Problem]
    """

    kwargs = _get_kwargs(
        by=by,
        q=q,
        limit=limit,
        if_none_match=if_none_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    by: ListFacetsBy,
    q: str | Unset = "",
    limit: int | Unset = 20,
    if_none_match: str | Unset = UNSET,
) -> Any | FacetList | Problem | None:
    """Count the values of a field

     Return the most frequent values of a field among the images that match the query and that the caller
    may see.

    Each value is a valid value of the filter for the field: a tag, or a value of `type:`, `uploader:`,
    `date:` or
    `camera:`. Years and months are those of `created_at` in UTC. `total` is the number of matching
    images. Where an exact result would take too long, it is estimated from a sample.

    Args:
        by (ListFacetsBy): The field
        q (str | Unset): Tags and filters. Terms side by side mean AND, which binds tighter than
            `OR` (or `|`). `-` or `NOT` negates, `( )`
            groups, `2-of:(a b c)` requires two of the three. Quote a tag with spaces, or one that
            looks like a filter: `"red
            sofa"`. Wildcards match tag names: `cat*`, `*cat`, `c*t`. An empty query and `*` match all
            images. A term with a colon
            is a tag unless its prefix is a filter: `rating:safe`.

            Filters: `uploader:me|none|<id>`, `name:<glob>`, `camera:<glob>`,
            `type:jpeg|png|webp|gif|avif|heic`,
            `visibility:private|public`, `sha256:`, `similar:<image id>`, and `width: height: pixels:
            tags: ratio: size: date:
            taken:` with `a`, `a,b`, `>a`, `>=a`, `<a`, `<=a`, `a..b`, `a..`, `..b`. `size` takes b,
            kb, mb and gb (powers of
            1024), `ratio` 16:9 or 1.5, `date` 2026, 2026-03, 2026-03-09, a time, today, yesterday or
            `7d..` (h, d, w, y), in UTC;
            `taken` takes the same in the local time of the camera. Limits: 4096 characters, 50 terms,
            50 values of a filter, 10
            nested groups, 100 tags of a wildcard. Default: ''.
        limit (int | Unset): The maximum number of items Default: 20.
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | FacetList | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            by=by,
            q=q,
            limit=limit,
            if_none_match=if_none_match,
        )
    ).parsed
