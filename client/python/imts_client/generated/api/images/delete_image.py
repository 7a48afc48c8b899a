from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    image_id: UUID,
    *,
    permanent: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    params: dict[str, Any] = {}

    params["permanent"] = permanent

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/v1/images/{image_id}".format(
            image_id=quote(str(image_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
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

    if response.status_code == 412:
        response_412 = Problem.from_dict(response.json())

        return response_412

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
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    permanent: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Response[Any | Problem]:
    """Delete an image

     Move an image to the trash. Owner and admins only.

    Its name is free at once. The trash keeps it for `TRASH_DAYS`, and its owner or an admin can restore
    it meanwhile.
    With `permanent`, or if `TRASH_DAYS` is 0, the image and its files are deleted permanently.

    Args:
        image_id (UUID):
        permanent (bool | Unset): Whether the image is deleted permanently Default: False.
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        permanent=permanent,
        if_match=if_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    permanent: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Any | Problem | None:
    """Delete an image

     Move an image to the trash. Owner and admins only.

    Its name is free at once. The trash keeps it for `TRASH_DAYS`, and its owner or an admin can restore
    it meanwhile.
    With `permanent`, or if `TRASH_DAYS` is 0, the image and its files are deleted permanently.

    Args:
        image_id (UUID):
        permanent (bool | Unset): Whether the image is deleted permanently Default: False.
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return sync_detailed(
        image_id=image_id,
        client=client,
        permanent=permanent,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    permanent: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Response[Any | Problem]:
    """Delete an image

     Move an image to the trash. Owner and admins only.

    Its name is free at once. The trash keeps it for `TRASH_DAYS`, and its owner or an admin can restore
    it meanwhile.
    With `permanent`, or if `TRASH_DAYS` is 0, the image and its files are deleted permanently.

    Args:
        image_id (UUID):
        permanent (bool | Unset): Whether the image is deleted permanently Default: False.
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        permanent=permanent,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    permanent: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Any | Problem | None:
    """Delete an image

     Move an image to the trash. Owner and admins only.

    Its name is free at once. The trash keeps it for `TRASH_DAYS`, and its owner or an admin can restore
    it meanwhile.
    With `permanent`, or if `TRASH_DAYS` is 0, the image and its files are deleted permanently.

    Args:
        image_id (UUID):
        permanent (bool | Unset): Whether the image is deleted permanently Default: False.
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return (
        await asyncio_detailed(
            image_id=image_id,
            client=client,
            permanent=permanent,
            if_match=if_match,
        )
    ).parsed
