from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.image_uploaded import ImageUploaded
from ...models.problem import Problem
from ...types import UNSET, File, Response, Unset


def _get_kwargs(
    upload_id: UUID,
    *,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_offset: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(tus_resumable, Unset):
        headers["Tus-Resumable"] = tus_resumable

    if not isinstance(upload_offset, Unset):
        headers["Upload-Offset"] = upload_offset

    if not isinstance(upload_complete, Unset):
        headers["Upload-Complete"] = upload_complete

    if not isinstance(upload_length, Unset):
        headers["Upload-Length"] = upload_length

    if not isinstance(upload_checksum, Unset):
        headers["Upload-Checksum"] = upload_checksum

    _kwargs: dict[str, Any] = {
        "method": "patch",
        "url": "/v1/uploads/{upload_id}".format(
            upload_id=quote(str(upload_id), safe=""),
        ),
    }

    if isinstance(body, File):
        if not isinstance(body, Unset):
            _kwargs["content"] = body.payload
        headers["Content-Type"] = "application/offset+octet-stream"
    if isinstance(body, File):
        if not isinstance(body, Unset):
            _kwargs["content"] = body.payload
        headers["Content-Type"] = "application/partial-upload"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | ImageUploaded | Problem:
    if response.status_code == 201:
        response_201 = ImageUploaded.from_dict(response.json())

        return response_201

    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

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

    if response.status_code == 410:
        response_410 = Problem.from_dict(response.json())

        return response_410

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

    if response.status_code == 460:
        response_460 = Problem.from_dict(response.json())

        return response_460

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
) -> Response[Any | ImageUploaded | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    upload_id: UUID,
    *,
    client: AuthenticatedClient,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_offset: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
) -> Response[Any | ImageUploaded | Problem]:
    """Append to an upload

     Append the body at the offset. The request that reaches the length creates the image.

    Of two concurrent requests, the later wins and the earlier is terminated.

    Args:
        upload_id (UUID):
        tus_resumable (str | Unset):
        upload_offset (str | Unset):
        upload_complete (str | Unset):
        upload_length (str | Unset):
        upload_checksum (str | Unset):
        body (File | Unset):
        body (File | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ImageUploaded | Problem]
    """

    kwargs = _get_kwargs(
        upload_id=upload_id,
        body=body,
        tus_resumable=tus_resumable,
        upload_offset=upload_offset,
        upload_complete=upload_complete,
        upload_length=upload_length,
        upload_checksum=upload_checksum,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    upload_id: UUID,
    *,
    client: AuthenticatedClient,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_offset: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
) -> Any | ImageUploaded | Problem | None:
    """Append to an upload

     Append the body at the offset. The request that reaches the length creates the image.

    Of two concurrent requests, the later wins and the earlier is terminated.

    Args:
        upload_id (UUID):
        tus_resumable (str | Unset):
        upload_offset (str | Unset):
        upload_complete (str | Unset):
        upload_length (str | Unset):
        upload_checksum (str | Unset):
        body (File | Unset):
        body (File | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ImageUploaded | Problem
    """

    return sync_detailed(
        upload_id=upload_id,
        client=client,
        body=body,
        tus_resumable=tus_resumable,
        upload_offset=upload_offset,
        upload_complete=upload_complete,
        upload_length=upload_length,
        upload_checksum=upload_checksum,
    ).parsed


async def asyncio_detailed(
    upload_id: UUID,
    *,
    client: AuthenticatedClient,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_offset: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
) -> Response[Any | ImageUploaded | Problem]:
    """Append to an upload

     Append the body at the offset. The request that reaches the length creates the image.

    Of two concurrent requests, the later wins and the earlier is terminated.

    Args:
        upload_id (UUID):
        tus_resumable (str | Unset):
        upload_offset (str | Unset):
        upload_complete (str | Unset):
        upload_length (str | Unset):
        upload_checksum (str | Unset):
        body (File | Unset):
        body (File | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ImageUploaded | Problem]
    """

    kwargs = _get_kwargs(
        upload_id=upload_id,
        body=body,
        tus_resumable=tus_resumable,
        upload_offset=upload_offset,
        upload_complete=upload_complete,
        upload_length=upload_length,
        upload_checksum=upload_checksum,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    upload_id: UUID,
    *,
    client: AuthenticatedClient,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_offset: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
) -> Any | ImageUploaded | Problem | None:
    """Append to an upload

     Append the body at the offset. The request that reaches the length creates the image.

    Of two concurrent requests, the later wins and the earlier is terminated.

    Args:
        upload_id (UUID):
        tus_resumable (str | Unset):
        upload_offset (str | Unset):
        upload_complete (str | Unset):
        upload_length (str | Unset):
        upload_checksum (str | Unset):
        body (File | Unset):
        body (File | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ImageUploaded | Problem
    """

    return (
        await asyncio_detailed(
            upload_id=upload_id,
            client=client,
            body=body,
            tus_resumable=tus_resumable,
            upload_offset=upload_offset,
            upload_complete=upload_complete,
            upload_length=upload_length,
            upload_checksum=upload_checksum,
        )
    ).parsed
