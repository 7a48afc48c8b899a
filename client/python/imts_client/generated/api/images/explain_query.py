from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.search_explanation import SearchExplanation
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    q: str | Unset = "",
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["q"] = q

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/images/explain",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | SearchExplanation:
    if response.status_code == 200:
        response_200 = SearchExplanation.from_dict(response.json())

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
) -> Response[Problem | SearchExplanation]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    q: str | Unset = "",
) -> Response[Problem | SearchExplanation]:
    """Explain a query

     Return how many visible images match each term, and how many match the query without it.

    All counts are exact. A count is null if all counts together take longer than half the time limit of
    a search. A
    wildcard with more than 100 tags is cut, and its counts are null; a search refuses such a query. The
    plan assumes a
    collection of the visible images only, in the default order. For an admin, `steps` has the search of
    the first page.

    Args:
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

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SearchExplanation]
    """

    kwargs = _get_kwargs(
        q=q,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    q: str | Unset = "",
) -> Problem | SearchExplanation | None:
    """Explain a query

     Return how many visible images match each term, and how many match the query without it.

    All counts are exact. A count is null if all counts together take longer than half the time limit of
    a search. A
    wildcard with more than 100 tags is cut, and its counts are null; a search refuses such a query. The
    plan assumes a
    collection of the visible images only, in the default order. For an admin, `steps` has the search of
    the first page.

    Args:
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

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SearchExplanation
    """

    return sync_detailed(
        client=client,
        q=q,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    q: str | Unset = "",
) -> Response[Problem | SearchExplanation]:
    """Explain a query

     Return how many visible images match each term, and how many match the query without it.

    All counts are exact. A count is null if all counts together take longer than half the time limit of
    a search. A
    wildcard with more than 100 tags is cut, and its counts are null; a search refuses such a query. The
    plan assumes a
    collection of the visible images only, in the default order. For an admin, `steps` has the search of
    the first page.

    Args:
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

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SearchExplanation]
    """

    kwargs = _get_kwargs(
        q=q,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    q: str | Unset = "",
) -> Problem | SearchExplanation | None:
    """Explain a query

     Return how many visible images match each term, and how many match the query without it.

    All counts are exact. A count is null if all counts together take longer than half the time limit of
    a search. A
    wildcard with more than 100 tags is cut, and its counts are null; a search refuses such a query. The
    plan assumes a
    collection of the visible images only, in the default order. For an admin, `steps` has the search of
    the first page.

    Args:
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

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SearchExplanation
    """

    return (
        await asyncio_detailed(
            client=client,
            q=q,
        )
    ).parsed
