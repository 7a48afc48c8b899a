from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.image_url import ImageUrl
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    image_id: UUID,
    *,
    expires_in: int | Unset = 300,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["expires_in"] = expires_in

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/images/{image_id}/url".format(
            image_id=quote(str(image_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ImageUrl | Problem:
    if response.status_code == 200:
        response_200 = ImageUrl.from_dict(response.json())

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
) -> Response[ImageUrl | Problem]:
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
    expires_in: int | Unset = 300,
) -> Response[ImageUrl | Problem]:
    """Create a pre-signed URL

     Return a URL of the file in the object store that needs no credentials.

    The URL is valid until `expires_at` and cannot be revoked. It continues to work if the image becomes
    private, and if
    the account that requested it signs out, changes its password or is deleted.

    Args:
        image_id (UUID):
        expires_in (int | Unset): The lifetime of the URL in seconds Default: 300.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImageUrl | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        expires_in=expires_in,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    expires_in: int | Unset = 300,
) -> ImageUrl | Problem | None:
    """Create a pre-signed URL

     Return a URL of the file in the object store that needs no credentials.

    The URL is valid until `expires_at` and cannot be revoked. It continues to work if the image becomes
    private, and if
    the account that requested it signs out, changes its password or is deleted.

    Args:
        image_id (UUID):
        expires_in (int | Unset): The lifetime of the URL in seconds Default: 300.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImageUrl | Problem
    """

    return sync_detailed(
        image_id=image_id,
        client=client,
        expires_in=expires_in,
    ).parsed


async def asyncio_detailed(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    expires_in: int | Unset = 300,
) -> Response[ImageUrl | Problem]:
    """Create a pre-signed URL

     Return a URL of the file in the object store that needs no credentials.

    The URL is valid until `expires_at` and cannot be revoked. It continues to work if the image becomes
    private, and if
    the account that requested it signs out, changes its password or is deleted.

    Args:
        image_id (UUID):
        expires_in (int | Unset): The lifetime of the URL in seconds Default: 300.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImageUrl | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        expires_in=expires_in,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    expires_in: int | Unset = 300,
) -> ImageUrl | Problem | None:
    """Create a pre-signed URL

     Return a URL of the file in the object store that needs no credentials.

    The URL is valid until `expires_at` and cannot be revoked. It continues to work if the image becomes
    private, and if
    the account that requested it signs out, changes its password or is deleted.

    Args:
        image_id (UUID):
        expires_in (int | Unset): The lifetime of the URL in seconds Default: 300.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImageUrl | Problem
    """

    return (
        await asyncio_detailed(
            image_id=image_id,
            client=client,
            expires_in=expires_in,
        )
    ).parsed
