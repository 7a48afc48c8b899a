from http import HTTPStatus
from io import BytesIO
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...types import UNSET, File, Response, Unset


def _get_kwargs(
    image_id: UUID,
    *,
    download: bool | Unset = False,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
    range_: str | Unset = UNSET,
    if_range: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    if not isinstance(if_modified_since, Unset):
        headers["If-Modified-Since"] = if_modified_since

    if not isinstance(if_unmodified_since, Unset):
        headers["If-Unmodified-Since"] = if_unmodified_since

    if not isinstance(range_, Unset):
        headers["Range"] = range_

    if not isinstance(if_range, Unset):
        headers["If-Range"] = if_range

    params: dict[str, Any] = {}

    params["download"] = download

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/images/{image_id}/content".format(
            image_id=quote(str(image_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | File | Problem:
    if response.status_code == 200:
        response_200 = File(payload=BytesIO(response.content))

        return response_200

    if response.status_code == 206:
        response_206 = File(payload=BytesIO(response.content))

        return response_206

    if response.status_code == 304:
        response_304 = cast(Any, None)
        return response_304

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

    if response.status_code == 416:
        response_416 = Problem.from_dict(response.json())

        return response_416

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
) -> Response[Any | File | Problem]:
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
    download: bool | Unset = False,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
    range_: str | Unset = UNSET,
    if_range: str | Unset = UNSET,
) -> Response[Any | File | Problem]:
    """Get the content of an image

     Return the original file. A single range is supported; a request for several ranges returns the
    whole file.

    With `STRIP_METADATA`, the service removes EXIF, GPS, XMP, IPTC and comments from JPEG, PNG and
    WebP. The pixels do
    not change. Length and entity tag then differ from `size` and `sha256`, which describe the stored
    file.

    Args:
        image_id (UUID):
        download (bool | Unset): Whether the browser saves the file instead of displaying it
            Default: False.
        if_none_match (str | Unset):
        if_match (str | Unset):
        if_modified_since (str | Unset):
        if_unmodified_since (str | Unset):
        range_ (str | Unset):
        if_range (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | File | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        download=download,
        if_none_match=if_none_match,
        if_match=if_match,
        if_modified_since=if_modified_since,
        if_unmodified_since=if_unmodified_since,
        range_=range_,
        if_range=if_range,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    download: bool | Unset = False,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
    range_: str | Unset = UNSET,
    if_range: str | Unset = UNSET,
) -> Any | File | Problem | None:
    """Get the content of an image

     Return the original file. A single range is supported; a request for several ranges returns the
    whole file.

    With `STRIP_METADATA`, the service removes EXIF, GPS, XMP, IPTC and comments from JPEG, PNG and
    WebP. The pixels do
    not change. Length and entity tag then differ from `size` and `sha256`, which describe the stored
    file.

    Args:
        image_id (UUID):
        download (bool | Unset): Whether the browser saves the file instead of displaying it
            Default: False.
        if_none_match (str | Unset):
        if_match (str | Unset):
        if_modified_since (str | Unset):
        if_unmodified_since (str | Unset):
        range_ (str | Unset):
        if_range (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | File | Problem
    """

    return sync_detailed(
        image_id=image_id,
        client=client,
        download=download,
        if_none_match=if_none_match,
        if_match=if_match,
        if_modified_since=if_modified_since,
        if_unmodified_since=if_unmodified_since,
        range_=range_,
        if_range=if_range,
    ).parsed


async def asyncio_detailed(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    download: bool | Unset = False,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
    range_: str | Unset = UNSET,
    if_range: str | Unset = UNSET,
) -> Response[Any | File | Problem]:
    """Get the content of an image

     Return the original file. A single range is supported; a request for several ranges returns the
    whole file.

    With `STRIP_METADATA`, the service removes EXIF, GPS, XMP, IPTC and comments from JPEG, PNG and
    WebP. The pixels do
    not change. Length and entity tag then differ from `size` and `sha256`, which describe the stored
    file.

    Args:
        image_id (UUID):
        download (bool | Unset): Whether the browser saves the file instead of displaying it
            Default: False.
        if_none_match (str | Unset):
        if_match (str | Unset):
        if_modified_since (str | Unset):
        if_unmodified_since (str | Unset):
        range_ (str | Unset):
        if_range (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | File | Problem]
    """

    kwargs = _get_kwargs(
        image_id=image_id,
        download=download,
        if_none_match=if_none_match,
        if_match=if_match,
        if_modified_since=if_modified_since,
        if_unmodified_since=if_unmodified_since,
        range_=range_,
        if_range=if_range,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    image_id: UUID,
    *,
    client: AuthenticatedClient,
    download: bool | Unset = False,
    if_none_match: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_modified_since: str | Unset = UNSET,
    if_unmodified_since: str | Unset = UNSET,
    range_: str | Unset = UNSET,
    if_range: str | Unset = UNSET,
) -> Any | File | Problem | None:
    """Get the content of an image

     Return the original file. A single range is supported; a request for several ranges returns the
    whole file.

    With `STRIP_METADATA`, the service removes EXIF, GPS, XMP, IPTC and comments from JPEG, PNG and
    WebP. The pixels do
    not change. Length and entity tag then differ from `size` and `sha256`, which describe the stored
    file.

    Args:
        image_id (UUID):
        download (bool | Unset): Whether the browser saves the file instead of displaying it
            Default: False.
        if_none_match (str | Unset):
        if_match (str | Unset):
        if_modified_since (str | Unset):
        if_unmodified_since (str | Unset):
        range_ (str | Unset):
        if_range (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | File | Problem
    """

    return (
        await asyncio_detailed(
            image_id=image_id,
            client=client,
            download=download,
            if_none_match=if_none_match,
            if_match=if_match,
            if_modified_since=if_modified_since,
            if_unmodified_since=if_unmodified_since,
            range_=range_,
            if_range=if_range,
        )
    ).parsed
