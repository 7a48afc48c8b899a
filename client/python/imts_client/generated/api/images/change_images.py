from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.bulk_change import BulkChange
from ...models.bulk_change_result import BulkChangeResult
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: BulkChange,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/images/bulk",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BulkChangeResult | Problem:
    if response.status_code == 200:
        response_200 = BulkChangeResult.from_dict(response.json())

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
) -> Response[BulkChangeResult | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: BulkChange,
) -> Response[BulkChangeResult | Problem]:
    """Change several images

     Change up to 1,000 images by `ids`, or up to 10,000 matches of a query.

    * `delete` moves images to the trash. `batch` is then in the trash list.
    * `restore` takes the `ids` of images in the trash.
    * `set_visibility` makes images public or private.

    Only the caller's own images are changed; for an admin, all matches. `dry_run` returns the result
    without a change.
    An empty `q` is refused; `*` matches all images.

    An image that cannot be changed does not end the request. `skipped` lists it with the problem type,
    such as
    `name-taken`.

    Args:
        body (BulkChange): The images, as a query or as ids, and the action.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BulkChangeResult | Problem]
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
    body: BulkChange,
) -> BulkChangeResult | Problem | None:
    """Change several images

     Change up to 1,000 images by `ids`, or up to 10,000 matches of a query.

    * `delete` moves images to the trash. `batch` is then in the trash list.
    * `restore` takes the `ids` of images in the trash.
    * `set_visibility` makes images public or private.

    Only the caller's own images are changed; for an admin, all matches. `dry_run` returns the result
    without a change.
    An empty `q` is refused; `*` matches all images.

    An image that cannot be changed does not end the request. `skipped` lists it with the problem type,
    such as
    `name-taken`.

    Args:
        body (BulkChange): The images, as a query or as ids, and the action.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BulkChangeResult | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: BulkChange,
) -> Response[BulkChangeResult | Problem]:
    """Change several images

     Change up to 1,000 images by `ids`, or up to 10,000 matches of a query.

    * `delete` moves images to the trash. `batch` is then in the trash list.
    * `restore` takes the `ids` of images in the trash.
    * `set_visibility` makes images public or private.

    Only the caller's own images are changed; for an admin, all matches. `dry_run` returns the result
    without a change.
    An empty `q` is refused; `*` matches all images.

    An image that cannot be changed does not end the request. `skipped` lists it with the problem type,
    such as
    `name-taken`.

    Args:
        body (BulkChange): The images, as a query or as ids, and the action.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BulkChangeResult | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: BulkChange,
) -> BulkChangeResult | Problem | None:
    """Change several images

     Change up to 1,000 images by `ids`, or up to 10,000 matches of a query.

    * `delete` moves images to the trash. `batch` is then in the trash list.
    * `restore` takes the `ids` of images in the trash.
    * `set_visibility` makes images public or private.

    Only the caller's own images are changed; for an admin, all matches. `dry_run` returns the result
    without a change.
    An empty `q` is refused; `*` matches all images.

    An image that cannot be changed does not end the request. `skipped` lists it with the problem type,
    such as
    `name-taken`.

    Args:
        body (BulkChange): The images, as a query or as ids, and the action.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BulkChangeResult | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
