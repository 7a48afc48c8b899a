from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.image_uploaded import ImageUploaded
from ...models.problem import Problem
from ...models.upload_image_body import UploadImageBody
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: UploadImageBody,
    idempotency_key: None | str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/images",
    }

    _kwargs["files"] = body.to_multipart()

    headers["Content-Type"] = "multipart/form-data; boundary=+++"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ImageUploaded | Problem:
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
    body: UploadImageBody,
    idempotency_key: None | str | Unset = UNSET,
) -> Response[ImageUploaded | Problem]:
    """Upload an image

     Store an image with its tags. Fields may precede or follow the file.

    Image names are unique in the whole service. The error for a name in use reveals that the name
    exists, even if its
    image is private. It has the path of the image only if the caller may see it.

    `duplicates` has the paths of up to 20 visible images with the same bytes. `similar` has those of
    the five nearest
    visible images, with the same bytes, the same pixels or a near picture. Among more than 2,000 near
    copies,
    nearer ones may be missed. `GET /v1/images/{id}/similar` lists all.

    Args:
        idempotency_key (None | str | Unset): The same key with the same upload returns the same
            response for 24 hours. Keys are private to the account. Without an account, they are
            private to the client's IPv4 address or IPv6 /64 network.
        body (UploadImageBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImageUploaded | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: UploadImageBody,
    idempotency_key: None | str | Unset = UNSET,
) -> ImageUploaded | Problem | None:
    """Upload an image

     Store an image with its tags. Fields may precede or follow the file.

    Image names are unique in the whole service. The error for a name in use reveals that the name
    exists, even if its
    image is private. It has the path of the image only if the caller may see it.

    `duplicates` has the paths of up to 20 visible images with the same bytes. `similar` has those of
    the five nearest
    visible images, with the same bytes, the same pixels or a near picture. Among more than 2,000 near
    copies,
    nearer ones may be missed. `GET /v1/images/{id}/similar` lists all.

    Args:
        idempotency_key (None | str | Unset): The same key with the same upload returns the same
            response for 24 hours. Keys are private to the account. Without an account, they are
            private to the client's IPv4 address or IPv6 /64 network.
        body (UploadImageBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ImageUploaded | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: UploadImageBody,
    idempotency_key: None | str | Unset = UNSET,
) -> Response[ImageUploaded | Problem]:
    """Upload an image

     Store an image with its tags. Fields may precede or follow the file.

    Image names are unique in the whole service. The error for a name in use reveals that the name
    exists, even if its
    image is private. It has the path of the image only if the caller may see it.

    `duplicates` has the paths of up to 20 visible images with the same bytes. `similar` has those of
    the five nearest
    visible images, with the same bytes, the same pixels or a near picture. Among more than 2,000 near
    copies,
    nearer ones may be missed. `GET /v1/images/{id}/similar` lists all.

    Args:
        idempotency_key (None | str | Unset): The same key with the same upload returns the same
            response for 24 hours. Keys are private to the account. Without an account, they are
            private to the client's IPv4 address or IPv6 /64 network.
        body (UploadImageBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ImageUploaded | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: UploadImageBody,
    idempotency_key: None | str | Unset = UNSET,
) -> ImageUploaded | Problem | None:
    """Upload an image

     Store an image with its tags. Fields may precede or follow the file.

    Image names are unique in the whole service. The error for a name in use reveals that the name
    exists, even if its
    image is private. It has the path of the image only if the caller may see it.

    `duplicates` has the paths of up to 20 visible images with the same bytes. `similar` has those of
    the five nearest
    visible images, with the same bytes, the same pixels or a near picture. Among more than 2,000 near
    copies,
    nearer ones may be missed. `GET /v1/images/{id}/similar` lists all.

    Args:
        idempotency_key (None | str | Unset): The same key with the same upload returns the same
            response for 24 hours. Keys are private to the account. Without an account, they are
            private to the client's IPv4 address or IPv6 /64 network.
        body (UploadImageBody):

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
            idempotency_key=idempotency_key,
        )
    ).parsed
