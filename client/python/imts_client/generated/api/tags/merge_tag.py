from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.tag_changed import TagChanged
from ...models.tag_merge import TagMerge
from ...types import Response


def _get_kwargs(
    name: str,
    *,
    body: TagMerge,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/tags/{name}/merge".format(
            name=quote(str(name), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | TagChanged:
    if response.status_code == 200:
        response_200 = TagChanged.from_dict(response.json())

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

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

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
) -> Response[Problem | TagChanged]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    name: str,
    *,
    client: AuthenticatedClient,
    body: TagMerge,
) -> Response[Problem | TagChanged]:
    """Merge a tag into another

     Replace this tag by another one on all images. The name becomes an alias of the other tag.

    A merge takes about a millisecond for each image, so minutes for hundreds of thousands. Meanwhile
    both tags can be
    used, and each image has one of them. Repeat the request to complete an interrupted merge.

    Args:
        name (str): The name of the tag, or an alias of it
        body (TagMerge): The target of a merge.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | TagChanged]
    """

    kwargs = _get_kwargs(
        name=name,
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    name: str,
    *,
    client: AuthenticatedClient,
    body: TagMerge,
) -> Problem | TagChanged | None:
    """Merge a tag into another

     Replace this tag by another one on all images. The name becomes an alias of the other tag.

    A merge takes about a millisecond for each image, so minutes for hundreds of thousands. Meanwhile
    both tags can be
    used, and each image has one of them. Repeat the request to complete an interrupted merge.

    Args:
        name (str): The name of the tag, or an alias of it
        body (TagMerge): The target of a merge.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | TagChanged
    """

    return sync_detailed(
        name=name,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    name: str,
    *,
    client: AuthenticatedClient,
    body: TagMerge,
) -> Response[Problem | TagChanged]:
    """Merge a tag into another

     Replace this tag by another one on all images. The name becomes an alias of the other tag.

    A merge takes about a millisecond for each image, so minutes for hundreds of thousands. Meanwhile
    both tags can be
    used, and each image has one of them. Repeat the request to complete an interrupted merge.

    Args:
        name (str): The name of the tag, or an alias of it
        body (TagMerge): The target of a merge.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | TagChanged]
    """

    kwargs = _get_kwargs(
        name=name,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    name: str,
    *,
    client: AuthenticatedClient,
    body: TagMerge,
) -> Problem | TagChanged | None:
    """Merge a tag into another

     Replace this tag by another one on all images. The name becomes an alias of the other tag.

    A merge takes about a millisecond for each image, so minutes for hundreds of thousands. Meanwhile
    both tags can be
    used, and each image has one of them. Repeat the request to complete an interrupted merge.

    Args:
        name (str): The name of the tag, or an alias of it
        body (TagMerge): The target of a merge.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | TagChanged
    """

    return (
        await asyncio_detailed(
            name=name,
            client=client,
            body=body,
        )
    ).parsed
