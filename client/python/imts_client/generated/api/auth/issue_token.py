from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.body_issue_token import BodyIssueToken
from ...models.problem import Problem
from ...models.token_read import TokenRead
from ...types import Response


def _get_kwargs(
    *,
    body: BodyIssueToken,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/auth/token",
    }

    _kwargs["data"] = body.to_dict()
    headers["Content-Type"] = "application/x-www-form-urlencoded"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | TokenRead:
    if response.status_code == 200:
        response_200 = TokenRead.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 408:
        response_408 = Problem.from_dict(response.json())

        return response_408

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
) -> Response[Problem | TokenRead]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: BodyIssueToken,
) -> Response[Problem | TokenRead]:
    """Get tokens

     Issue tokens for an OAuth 2 `password` or `refresh_token` grant.

    A refresh token is valid once. A second use ends its session. The exception is the previous token
    within ten seconds
    of its first use: that request is refused, and the session continues.

    Every error has the members `error` and `error_description` of RFC 6749, 5.2. `error` is
    `invalid_grant` for wrong
    credentials, `invalid_request` for a missing, repeated or malformed parameter,
    `unsupported_grant_type`, or
    `temporarily_unavailable`.

    Args:
        body (BodyIssueToken):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | TokenRead]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: BodyIssueToken,
) -> Problem | TokenRead | None:
    """Get tokens

     Issue tokens for an OAuth 2 `password` or `refresh_token` grant.

    A refresh token is valid once. A second use ends its session. The exception is the previous token
    within ten seconds
    of its first use: that request is refused, and the session continues.

    Every error has the members `error` and `error_description` of RFC 6749, 5.2. `error` is
    `invalid_grant` for wrong
    credentials, `invalid_request` for a missing, repeated or malformed parameter,
    `unsupported_grant_type`, or
    `temporarily_unavailable`.

    Args:
        body (BodyIssueToken):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | TokenRead
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: BodyIssueToken,
) -> Response[Problem | TokenRead]:
    """Get tokens

     Issue tokens for an OAuth 2 `password` or `refresh_token` grant.

    A refresh token is valid once. A second use ends its session. The exception is the previous token
    within ten seconds
    of its first use: that request is refused, and the session continues.

    Every error has the members `error` and `error_description` of RFC 6749, 5.2. `error` is
    `invalid_grant` for wrong
    credentials, `invalid_request` for a missing, repeated or malformed parameter,
    `unsupported_grant_type`, or
    `temporarily_unavailable`.

    Args:
        body (BodyIssueToken):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | TokenRead]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: BodyIssueToken,
) -> Problem | TokenRead | None:
    """Get tokens

     Issue tokens for an OAuth 2 `password` or `refresh_token` grant.

    A refresh token is valid once. A second use ends its session. The exception is the previous token
    within ten seconds
    of its first use: that request is refused, and the session continues.

    Every error has the members `error` and `error_description` of RFC 6749, 5.2. `error` is
    `invalid_grant` for wrong
    credentials, `invalid_request` for a missing, repeated or malformed parameter,
    `unsupported_grant_type`, or
    `temporarily_unavailable`.

    Args:
        body (BodyIssueToken):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | TokenRead
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
