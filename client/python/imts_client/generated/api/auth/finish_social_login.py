from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.token_read import TokenRead
from ...types import UNSET, Response, Unset


def _get_kwargs(
    provider: str,
    *,
    state: None | str | Unset = UNSET,
    code: None | str | Unset = UNSET,
    iss: None | str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_state: None | str | Unset
    if isinstance(state, Unset):
        json_state = UNSET
    else:
        json_state = state
    params["state"] = json_state

    json_code: None | str | Unset
    if isinstance(code, Unset):
        json_code = UNSET
    else:
        json_code = code
    params["code"] = json_code

    json_iss: None | str | Unset
    if isinstance(iss, Unset):
        json_iss = UNSET
    else:
        json_iss = iss
    params["iss"] = json_iss

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/auth/social/{provider}/callback".format(
            provider=quote(str(provider), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Problem | TokenRead:
    if response.status_code == 200:
        response_200 = TokenRead.from_dict(response.json())

        return response_200

    if response.status_code == 303:
        response_303 = cast(Any, None)
        return response_303

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
) -> Response[Any | Problem | TokenRead]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    provider: str,
    *,
    client: AuthenticatedClient | Client,
    state: None | str | Unset = UNSET,
    code: None | str | Unset = UNSET,
    iss: None | str | Unset = UNSET,
) -> Response[Any | Problem | TokenRead]:
    """Complete a sign-in at an identity provider

     Exchange the provider's authorization code for the tokens of a new session.

    A browser can have several independent social logins in progress, for example in several tabs.

    Args:
        provider (str):
        state (None | str | Unset): The state of the sign-in
        code (None | str | Unset): The authorization code
        iss (None | str | Unset): The issuer (RFC 9207)

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | TokenRead]
    """

    kwargs = _get_kwargs(
        provider=provider,
        state=state,
        code=code,
        iss=iss,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    provider: str,
    *,
    client: AuthenticatedClient | Client,
    state: None | str | Unset = UNSET,
    code: None | str | Unset = UNSET,
    iss: None | str | Unset = UNSET,
) -> Any | Problem | TokenRead | None:
    """Complete a sign-in at an identity provider

     Exchange the provider's authorization code for the tokens of a new session.

    A browser can have several independent social logins in progress, for example in several tabs.

    Args:
        provider (str):
        state (None | str | Unset): The state of the sign-in
        code (None | str | Unset): The authorization code
        iss (None | str | Unset): The issuer (RFC 9207)

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | TokenRead
    """

    return sync_detailed(
        provider=provider,
        client=client,
        state=state,
        code=code,
        iss=iss,
    ).parsed


async def asyncio_detailed(
    provider: str,
    *,
    client: AuthenticatedClient | Client,
    state: None | str | Unset = UNSET,
    code: None | str | Unset = UNSET,
    iss: None | str | Unset = UNSET,
) -> Response[Any | Problem | TokenRead]:
    """Complete a sign-in at an identity provider

     Exchange the provider's authorization code for the tokens of a new session.

    A browser can have several independent social logins in progress, for example in several tabs.

    Args:
        provider (str):
        state (None | str | Unset): The state of the sign-in
        code (None | str | Unset): The authorization code
        iss (None | str | Unset): The issuer (RFC 9207)

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem | TokenRead]
    """

    kwargs = _get_kwargs(
        provider=provider,
        state=state,
        code=code,
        iss=iss,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    provider: str,
    *,
    client: AuthenticatedClient | Client,
    state: None | str | Unset = UNSET,
    code: None | str | Unset = UNSET,
    iss: None | str | Unset = UNSET,
) -> Any | Problem | TokenRead | None:
    """Complete a sign-in at an identity provider

     Exchange the provider's authorization code for the tokens of a new session.

    A browser can have several independent social logins in progress, for example in several tabs.

    Args:
        provider (str):
        state (None | str | Unset): The state of the sign-in
        code (None | str | Unset): The authorization code
        iss (None | str | Unset): The issuer (RFC 9207)

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem | TokenRead
    """

    return (
        await asyncio_detailed(
            provider=provider,
            client=client,
            state=state,
            code=code,
            iss=iss,
        )
    ).parsed
