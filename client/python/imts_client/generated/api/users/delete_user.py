from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.delete_user_images import DeleteUserImages
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    user_id: UUID,
    *,
    images: DeleteUserImages | Unset = DeleteUserImages.KEEP,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_images: str | Unset = UNSET
    if not isinstance(images, Unset):
        json_images = images.value

    params["images"] = json_images

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/v1/users/{user_id}".format(
            user_id=quote(str(user_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Problem:
    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

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
) -> Response[Any | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    user_id: UUID,
    *,
    client: AuthenticatedClient,
    images: DeleteUserImages | Unset = DeleteUserImages.KEEP,
) -> Response[Any | Problem]:
    """Delete an account

     Delete an account and its trash. Its images are kept or deleted, as `images` specifies. Admins only.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to
    continue.

    Args:
        user_id (UUID):
        images (DeleteUserImages | Unset): `keep`: keep the images, with `uploaded_by` null;
            `delete`: delete them permanently Default: DeleteUserImages.KEEP.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        user_id=user_id,
        images=images,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    user_id: UUID,
    *,
    client: AuthenticatedClient,
    images: DeleteUserImages | Unset = DeleteUserImages.KEEP,
) -> Any | Problem | None:
    """Delete an account

     Delete an account and its trash. Its images are kept or deleted, as `images` specifies. Admins only.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to
    continue.

    Args:
        user_id (UUID):
        images (DeleteUserImages | Unset): `keep`: keep the images, with `uploaded_by` null;
            `delete`: delete them permanently Default: DeleteUserImages.KEEP.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return sync_detailed(
        user_id=user_id,
        client=client,
        images=images,
    ).parsed


async def asyncio_detailed(
    user_id: UUID,
    *,
    client: AuthenticatedClient,
    images: DeleteUserImages | Unset = DeleteUserImages.KEEP,
) -> Response[Any | Problem]:
    """Delete an account

     Delete an account and its trash. Its images are kept or deleted, as `images` specifies. Admins only.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to
    continue.

    Args:
        user_id (UUID):
        images (DeleteUserImages | Unset): `keep`: keep the images, with `uploaded_by` null;
            `delete`: delete them permanently Default: DeleteUserImages.KEEP.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        user_id=user_id,
        images=images,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    user_id: UUID,
    *,
    client: AuthenticatedClient,
    images: DeleteUserImages | Unset = DeleteUserImages.KEEP,
) -> Any | Problem | None:
    """Delete an account

     Delete an account and its trash. Its images are kept or deleted, as `images` specifies. Admins only.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to
    continue.

    Args:
        user_id (UUID):
        images (DeleteUserImages | Unset): `keep`: keep the images, with `uploaded_by` null;
            `delete`: delete them permanently Default: DeleteUserImages.KEEP.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return (
        await asyncio_detailed(
            user_id=user_id,
            client=client,
            images=images,
        )
    ).parsed
