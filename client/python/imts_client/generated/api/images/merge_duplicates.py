from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.duplicate_merge import DuplicateMerge
from ...models.duplicate_merge_result import DuplicateMergeResult
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: DuplicateMerge,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/images/duplicates/merge",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> DuplicateMergeResult | Problem:
    if response.status_code == 200:
        response_200 = DuplicateMergeResult.from_dict(response.json())

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

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

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
) -> Response[DuplicateMergeResult | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: DuplicateMerge,
) -> Response[DuplicateMergeResult | Problem]:
    """Merge duplicates

     Add the explicit tags of the `others` to the image `keep`, and move the others to the trash, all or
    none.

    The caller must be the owner of all images, or an admin. The images need not be in one group of the
    report. An image
    has at most 100 tags: a merge that would exceed them is refused. `dry_run` returns the result
    without a change.

    `POST /v1/history/revert` with the `batch` removes the added tags, and `GET /v1/trash` with it lists
    the others. A
    repeated merge is 404, since the others are in the trash. If `TRASH_DAYS` is 0, they are deleted
    permanently.

    Args:
        body (DuplicateMerge): The image to keep, and the images whose tags it gets and that go to
            the trash.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DuplicateMergeResult | Problem]
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
    body: DuplicateMerge,
) -> DuplicateMergeResult | Problem | None:
    """Merge duplicates

     Add the explicit tags of the `others` to the image `keep`, and move the others to the trash, all or
    none.

    The caller must be the owner of all images, or an admin. The images need not be in one group of the
    report. An image
    has at most 100 tags: a merge that would exceed them is refused. `dry_run` returns the result
    without a change.

    `POST /v1/history/revert` with the `batch` removes the added tags, and `GET /v1/trash` with it lists
    the others. A
    repeated merge is 404, since the others are in the trash. If `TRASH_DAYS` is 0, they are deleted
    permanently.

    Args:
        body (DuplicateMerge): The image to keep, and the images whose tags it gets and that go to
            the trash.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DuplicateMergeResult | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: DuplicateMerge,
) -> Response[DuplicateMergeResult | Problem]:
    """Merge duplicates

     Add the explicit tags of the `others` to the image `keep`, and move the others to the trash, all or
    none.

    The caller must be the owner of all images, or an admin. The images need not be in one group of the
    report. An image
    has at most 100 tags: a merge that would exceed them is refused. `dry_run` returns the result
    without a change.

    `POST /v1/history/revert` with the `batch` removes the added tags, and `GET /v1/trash` with it lists
    the others. A
    repeated merge is 404, since the others are in the trash. If `TRASH_DAYS` is 0, they are deleted
    permanently.

    Args:
        body (DuplicateMerge): The image to keep, and the images whose tags it gets and that go to
            the trash.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DuplicateMergeResult | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: DuplicateMerge,
) -> DuplicateMergeResult | Problem | None:
    """Merge duplicates

     Add the explicit tags of the `others` to the image `keep`, and move the others to the trash, all or
    none.

    The caller must be the owner of all images, or an admin. The images need not be in one group of the
    report. An image
    has at most 100 tags: a merge that would exceed them is refused. `dry_run` returns the result
    without a change.

    `POST /v1/history/revert` with the `batch` removes the added tags, and `GET /v1/trash` with it lists
    the others. A
    repeated merge is 404, since the others are in the trash. If `TRASH_DAYS` is 0, they are deleted
    permanently.

    Args:
        body (DuplicateMerge): The image to keep, and the images whose tags it gets and that go to
            the trash.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DuplicateMergeResult | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
