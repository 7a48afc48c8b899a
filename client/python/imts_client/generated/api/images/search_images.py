from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.image_page import ImagePage
from ...models.image_search import ImageSearch
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: ImageSearch,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/images/search",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ImagePage | Problem:
    if response.status_code == 200:
        response_200 = ImagePage.from_dict(response.json())

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
) -> Response[ImagePage | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: ImageSearch,
) -> Response[ImagePage | Problem]:
    """Find images by a JSON filter

     Return a page of the images that a filter in JSON matches, as `GET /v1/images` does for a text.

    Both have the same canonical `query` and the same cursors, so the next page has a `Link` to `GET
    /v1/images`. The
    limits are those of `q`, with 10 nested groups. An invalid filter is 400 `invalid-query`. Its
    `pointer` (RFC 6901)
    refers to the place in the body.

    `QUERY /v1/images` (RFC 10008) with the same body is the same request as a safe method.

    Args:
        body (ImageSearch): A filter and the parameters of `GET /v1/images`. An empty filter
            matches all images.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImagePage | Problem]
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
    body: ImageSearch,
) -> ImagePage | Problem | None:
    """Find images by a JSON filter

     Return a page of the images that a filter in JSON matches, as `GET /v1/images` does for a text.

    Both have the same canonical `query` and the same cursors, so the next page has a `Link` to `GET
    /v1/images`. The
    limits are those of `q`, with 10 nested groups. An invalid filter is 400 `invalid-query`. Its
    `pointer` (RFC 6901)
    refers to the place in the body.

    `QUERY /v1/images` (RFC 10008) with the same body is the same request as a safe method.

    Args:
        body (ImageSearch): A filter and the parameters of `GET /v1/images`. An empty filter
            matches all images.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImagePage | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: ImageSearch,
) -> Response[ImagePage | Problem]:
    """Find images by a JSON filter

     Return a page of the images that a filter in JSON matches, as `GET /v1/images` does for a text.

    Both have the same canonical `query` and the same cursors, so the next page has a `Link` to `GET
    /v1/images`. The
    limits are those of `q`, with 10 nested groups. An invalid filter is 400 `invalid-query`. Its
    `pointer` (RFC 6901)
    refers to the place in the body.

    `QUERY /v1/images` (RFC 10008) with the same body is the same request as a safe method.

    Args:
        body (ImageSearch): A filter and the parameters of `GET /v1/images`. An empty filter
            matches all images.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImagePage | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: ImageSearch,
) -> ImagePage | Problem | None:
    """Find images by a JSON filter

     Return a page of the images that a filter in JSON matches, as `GET /v1/images` does for a text.

    Both have the same canonical `query` and the same cursors, so the next page has a `Link` to `GET
    /v1/images`. The
    limits are those of `q`, with 10 nested groups. An invalid filter is 400 `invalid-query`. Its
    `pointer` (RFC 6901)
    refers to the place in the body.

    `QUERY /v1/images` (RFC 10008) with the same body is the same request as a safe method.

    Args:
        body (ImageSearch): A filter and the parameters of `GET /v1/images`. An empty filter
            matches all images.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImagePage | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
