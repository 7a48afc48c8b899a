from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.image_uploaded import ImageUploaded
from ...models.problem import Problem
from ...types import UNSET, File, Response, Unset


def _get_kwargs(
    *,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_defer_length: str | Unset = UNSET,
    upload_metadata: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
    upload_draft_interop_version: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(tus_resumable, Unset):
        headers["Tus-Resumable"] = tus_resumable

    if not isinstance(upload_length, Unset):
        headers["Upload-Length"] = upload_length

    if not isinstance(upload_defer_length, Unset):
        headers["Upload-Defer-Length"] = upload_defer_length

    if not isinstance(upload_metadata, Unset):
        headers["Upload-Metadata"] = upload_metadata

    if not isinstance(upload_complete, Unset):
        headers["Upload-Complete"] = upload_complete

    if not isinstance(upload_checksum, Unset):
        headers["Upload-Checksum"] = upload_checksum

    if not isinstance(upload_draft_interop_version, Unset):
        headers["Upload-Draft-Interop-Version"] = upload_draft_interop_version

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/uploads",
    }

    if not isinstance(body, Unset):
        _kwargs["content"] = body.payload
    headers["Content-Type"] = "application/offset+octet-stream"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ImageUploaded | Problem:
    if response.status_code == 200:
        response_200 = ImageUploaded.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = ImageUploaded.from_dict(response.json())

        return response_201

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

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

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
) -> Response[ImageUploaded | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_defer_length: str | Unset = UNSET,
    upload_metadata: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
    upload_draft_interop_version: str | Unset = UNSET,
) -> Response[ImageUploaded | Problem]:
    """Create an upload

     Create an upload, by tus 1.0.0 or by Resumable Uploads for HTTP, and append the body.

    Without a file name, the name of the image is the id of the upload. If a visible image has the
    declared `sha256`, no
    bytes are needed.

    Args:
        tus_resumable (str | Unset):
        upload_length (str | Unset):
        upload_defer_length (str | Unset):
        upload_metadata (str | Unset):
        upload_complete (str | Unset):
        upload_checksum (str | Unset):
        upload_draft_interop_version (str | Unset):
        body (File | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImageUploaded | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        tus_resumable=tus_resumable,
        upload_length=upload_length,
        upload_defer_length=upload_defer_length,
        upload_metadata=upload_metadata,
        upload_complete=upload_complete,
        upload_checksum=upload_checksum,
        upload_draft_interop_version=upload_draft_interop_version,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_defer_length: str | Unset = UNSET,
    upload_metadata: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
    upload_draft_interop_version: str | Unset = UNSET,
) -> ImageUploaded | Problem | None:
    """Create an upload

     Create an upload, by tus 1.0.0 or by Resumable Uploads for HTTP, and append the body.

    Without a file name, the name of the image is the id of the upload. If a visible image has the
    declared `sha256`, no
    bytes are needed.

    Args:
        tus_resumable (str | Unset):
        upload_length (str | Unset):
        upload_defer_length (str | Unset):
        upload_metadata (str | Unset):
        upload_complete (str | Unset):
        upload_checksum (str | Unset):
        upload_draft_interop_version (str | Unset):
        body (File | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImageUploaded | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
        tus_resumable=tus_resumable,
        upload_length=upload_length,
        upload_defer_length=upload_defer_length,
        upload_metadata=upload_metadata,
        upload_complete=upload_complete,
        upload_checksum=upload_checksum,
        upload_draft_interop_version=upload_draft_interop_version,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_defer_length: str | Unset = UNSET,
    upload_metadata: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
    upload_draft_interop_version: str | Unset = UNSET,
) -> Response[ImageUploaded | Problem]:
    """Create an upload

     Create an upload, by tus 1.0.0 or by Resumable Uploads for HTTP, and append the body.

    Without a file name, the name of the image is the id of the upload. If a visible image has the
    declared `sha256`, no
    bytes are needed.

    Args:
        tus_resumable (str | Unset):
        upload_length (str | Unset):
        upload_defer_length (str | Unset):
        upload_metadata (str | Unset):
        upload_complete (str | Unset):
        upload_checksum (str | Unset):
        upload_draft_interop_version (str | Unset):
        body (File | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImageUploaded | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        tus_resumable=tus_resumable,
        upload_length=upload_length,
        upload_defer_length=upload_defer_length,
        upload_metadata=upload_metadata,
        upload_complete=upload_complete,
        upload_checksum=upload_checksum,
        upload_draft_interop_version=upload_draft_interop_version,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: File | Unset = UNSET,
    tus_resumable: str | Unset = UNSET,
    upload_length: str | Unset = UNSET,
    upload_defer_length: str | Unset = UNSET,
    upload_metadata: str | Unset = UNSET,
    upload_complete: str | Unset = UNSET,
    upload_checksum: str | Unset = UNSET,
    upload_draft_interop_version: str | Unset = UNSET,
) -> ImageUploaded | Problem | None:
    """Create an upload

     Create an upload, by tus 1.0.0 or by Resumable Uploads for HTTP, and append the body.

    Without a file name, the name of the image is the id of the upload. If a visible image has the
    declared `sha256`, no
    bytes are needed.

    Args:
        tus_resumable (str | Unset):
        upload_length (str | Unset):
        upload_defer_length (str | Unset):
        upload_metadata (str | Unset):
        upload_complete (str | Unset):
        upload_checksum (str | Unset):
        upload_draft_interop_version (str | Unset):
        body (File | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImageUploaded | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            tus_resumable=tus_resumable,
            upload_length=upload_length,
            upload_defer_length=upload_defer_length,
            upload_metadata=upload_metadata,
            upload_complete=upload_complete,
            upload_checksum=upload_checksum,
            upload_draft_interop_version=upload_draft_interop_version,
        )
    ).parsed
