from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.image_read import ImageRead
from ...models.problem import Problem
from ...models.tags_update import TagsUpdate
from ...types import UNSET, Response, Unset


def _get_kwargs(
    image_id: UUID,
    *,
    body: TagsUpdate,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/v1/images/{image_id}/tags".format(
            image_id=quote(str(image_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ImageRead | Problem:
    if response.status_code == 200:
        response_200 = ImageRead.from_dict(response.json())

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

    if response.status_code == 412:
        response_412 = Problem.from_dict(response.json())

        return response_412

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
) -> Response[ImageRead | Problem]:
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
    body: TagsUpdate,
    if_match: str | Unset = UNSET,
) -> Response[ImageRead | Problem]:
    """Replace the tags of an image

     Replace the tags of an image. Implied tags are added. Owner and admins only.

    Args:
        image_id (UUID):
        if_match (str | Unset):
        body (TagsUpdate): The tags of an image.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImageRead | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        body=body,
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
    body: TagsUpdate,
    if_match: str | Unset = UNSET,
) -> ImageRead | Problem | None:
    """Replace the tags of an image

     Replace the tags of an image. Implied tags are added. Owner and admins only.

    Args:
        image_id (UUID):
        if_match (str | Unset):
        body (TagsUpdate): The tags of an image.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImageRead | Problem
    """

    return sync_detailed(
        image_id=image_id,
        client=client,
        body=body,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    body: TagsUpdate,
    if_match: str | Unset = UNSET,
) -> Response[ImageRead | Problem]:
    """Replace the tags of an image

     Replace the tags of an image. Implied tags are added. Owner and admins only.

    Args:
        image_id (UUID):
        if_match (str | Unset):
        body (TagsUpdate): The tags of an image.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImageRead | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        body=body,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    body: TagsUpdate,
    if_match: str | Unset = UNSET,
) -> ImageRead | Problem | None:
    """Replace the tags of an image

     Replace the tags of an image. Implied tags are added. Owner and admins only.

    Args:
        image_id (UUID):
        if_match (str | Unset):
        body (TagsUpdate): The tags of an image.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImageRead | Problem
    """

    return (
        await asyncio_detailed(
            image_id=image_id,
            client=client,
            body=body,
            if_match=if_match,
        )
    ).parsed
