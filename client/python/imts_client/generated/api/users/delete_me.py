from http import HTTPStatus
from typing import Any, cast

import httpx

from ...client import AuthenticatedClient, Client
from ...models.delete_me_images import DeleteMeImages
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    images: DeleteMeImages | Unset = DeleteMeImages.KEEP,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_images: str | Unset = UNSET
    if not isinstance(images, Unset):
        json_images = images.value

    params["images"] = json_images

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/v1/users/me",
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
    *,
    client: AuthenticatedClient,
    images: DeleteMeImages | Unset = DeleteMeImages.KEEP,
) -> Response[Any | Problem]:
    """Delete your account

     Delete the account, its sessions, API keys and trash. Its images are kept or deleted, as `images`
    specifies.

    The last sign-in must be at most ten minutes old.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to
    continue.

    Args:
        images (DeleteMeImages | Unset): `keep`: keep the images, with `uploaded_by` null;
            `delete`: delete them permanently Default: DeleteMeImages.KEEP.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        images=images,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    images: DeleteMeImages | Unset = DeleteMeImages.KEEP,
) -> Any | Problem | None:
    """Delete your account

     Delete the account, its sessions, API keys and trash. Its images are kept or deleted, as `images`
    specifies.

    The last sign-in must be at most ten minutes old.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to
    continue.

    Args:
        images (DeleteMeImages | Unset): `keep`: keep the images, with `uploaded_by` null;
            `delete`: delete them permanently Default: DeleteMeImages.KEEP.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return sync_detailed(
        client=client,
        images=images,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    images: DeleteMeImages | Unset = DeleteMeImages.KEEP,
) -> Response[Any | Problem]:
    """Delete your account

     Delete the account, its sessions, API keys and trash. Its images are kept or deleted, as `images`
    specifies.

    The last sign-in must be at most ten minutes old.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to
    continue.

    Args:
        images (DeleteMeImages | Unset): `keep`: keep the images, with `uploaded_by` null;
            `delete`: delete them permanently Default: DeleteMeImages.KEEP.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        images=images,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    images: DeleteMeImages | Unset = DeleteMeImages.KEEP,
) -> Any | Problem | None:
    """Delete your account

     Delete the account, its sessions, API keys and trash. Its images are kept or deleted, as `images`
    specifies.

    The last sign-in must be at most ten minutes old.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to
    continue.

    Args:
        images (DeleteMeImages | Unset): `keep`: keep the images, with `uploaded_by` null;
            `delete`: delete them permanently Default: DeleteMeImages.KEEP.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            images=images,
        )
    ).parsed
