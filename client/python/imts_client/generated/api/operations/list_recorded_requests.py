import datetime
from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.request_page import RequestPage
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    route: None | str | Unset = UNSET,
    method: None | str | Unset = UNSET,
    status: None | str | Unset = UNSET,
    user_id: None | str | Unset = UNSET,
    request_id: None | str | Unset = UNSET,
    min_ms: float | None | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["limit"] = limit

    json_cursor: None | str | Unset
    if isinstance(cursor, Unset):
        json_cursor = UNSET
    else:
        json_cursor = cursor
    params["cursor"] = json_cursor

    json_since: None | str | Unset
    if isinstance(since, Unset):
        json_since = UNSET
    elif isinstance(since, datetime.datetime):
        json_since = since.isoformat()
    else:
        json_since = since
    params["since"] = json_since

    json_until: None | str | Unset
    if isinstance(until, Unset):
        json_until = UNSET
    elif isinstance(until, datetime.datetime):
        json_until = until.isoformat()
    else:
        json_until = until
    params["until"] = json_until

    json_route: None | str | Unset
    if isinstance(route, Unset):
        json_route = UNSET
    else:
        json_route = route
    params["route"] = json_route

    json_method: None | str | Unset
    if isinstance(method, Unset):
        json_method = UNSET
    else:
        json_method = method
    params["method"] = json_method

    json_status: None | str | Unset
    if isinstance(status, Unset):
        json_status = UNSET
    else:
        json_status = status
    params["status"] = json_status

    json_user_id: None | str | Unset
    if isinstance(user_id, Unset):
        json_user_id = UNSET
    else:
        json_user_id = user_id
    params["user_id"] = json_user_id

    json_request_id: None | str | Unset
    if isinstance(request_id, Unset):
        json_request_id = UNSET
    else:
        json_request_id = request_id
    params["request_id"] = json_request_id

    json_min_ms: float | None | Unset
    if isinstance(min_ms, Unset):
        json_min_ms = UNSET
    else:
        json_min_ms = min_ms
    params["min_ms"] = json_min_ms

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/ops/requests",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | RequestPage:
    if response.status_code == 200:
        response_200 = RequestPage.from_dict(response.json())

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
) -> Response[Problem | RequestPage]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    route: None | str | Unset = UNSET,
    method: None | str | Unset = UNSET,
    status: None | str | Unset = UNSET,
    user_id: None | str | Unset = UNSET,
    request_id: None | str | Unset = UNSET,
    min_ms: float | None | Unset = UNSET,
) -> Response[Problem | RequestPage]:
    """List recorded requests

     Return a page of request records, newest first. Admins only.

    A record appears about two seconds after its request. After an outage of MongoDB, older records
    appear later.

    Args:
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        since (datetime.datetime | None | Unset): The start of the period. Default: 24 hours
            before `until`
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        route (None | str | Unset): A route template
        method (None | str | Unset): A request method
        status (None | str | Unset): A status or a class of statuses
        user_id (None | str | Unset): The id of an account
        request_id (None | str | Unset): The id of a request
        min_ms (float | None | Unset): The minimum duration in milliseconds

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | RequestPage]
    """

    kwargs = _get_kwargs(
        limit=limit,
        cursor=cursor,
        since=since,
        until=until,
        route=route,
        method=method,
        status=status,
        user_id=user_id,
        request_id=request_id,
        min_ms=min_ms,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    route: None | str | Unset = UNSET,
    method: None | str | Unset = UNSET,
    status: None | str | Unset = UNSET,
    user_id: None | str | Unset = UNSET,
    request_id: None | str | Unset = UNSET,
    min_ms: float | None | Unset = UNSET,
) -> Problem | RequestPage | None:
    """List recorded requests

     Return a page of request records, newest first. Admins only.

    A record appears about two seconds after its request. After an outage of MongoDB, older records
    appear later.

    Args:
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        since (datetime.datetime | None | Unset): The start of the period. Default: 24 hours
            before `until`
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        route (None | str | Unset): A route template
        method (None | str | Unset): A request method
        status (None | str | Unset): A status or a class of statuses
        user_id (None | str | Unset): The id of an account
        request_id (None | str | Unset): The id of a request
        min_ms (float | None | Unset): The minimum duration in milliseconds

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | RequestPage
    """

    return sync_detailed(
        client=client,
        limit=limit,
        cursor=cursor,
        since=since,
        until=until,
        route=route,
        method=method,
        status=status,
        user_id=user_id,
        request_id=request_id,
        min_ms=min_ms,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    route: None | str | Unset = UNSET,
    method: None | str | Unset = UNSET,
    status: None | str | Unset = UNSET,
    user_id: None | str | Unset = UNSET,
    request_id: None | str | Unset = UNSET,
    min_ms: float | None | Unset = UNSET,
) -> Response[Problem | RequestPage]:
    """List recorded requests

     Return a page of request records, newest first. Admins only.

    A record appears about two seconds after its request. After an outage of MongoDB, older records
    appear later.

    Args:
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        since (datetime.datetime | None | Unset): The start of the period. Default: 24 hours
            before `until`
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        route (None | str | Unset): A route template
        method (None | str | Unset): A request method
        status (None | str | Unset): A status or a class of statuses
        user_id (None | str | Unset): The id of an account
        request_id (None | str | Unset): The id of a request
        min_ms (float | None | Unset): The minimum duration in milliseconds

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | RequestPage]
    """

    kwargs = _get_kwargs(
        limit=limit,
        cursor=cursor,
        since=since,
        until=until,
        route=route,
        method=method,
        status=status,
        user_id=user_id,
        request_id=request_id,
        min_ms=min_ms,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    route: None | str | Unset = UNSET,
    method: None | str | Unset = UNSET,
    status: None | str | Unset = UNSET,
    user_id: None | str | Unset = UNSET,
    request_id: None | str | Unset = UNSET,
    min_ms: float | None | Unset = UNSET,
) -> Problem | RequestPage | None:
    """List recorded requests

     Return a page of request records, newest first. Admins only.

    A record appears about two seconds after its request. After an outage of MongoDB, older records
    appear later.

    Args:
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        since (datetime.datetime | None | Unset): The start of the period. Default: 24 hours
            before `until`
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        route (None | str | Unset): A route template
        method (None | str | Unset): A request method
        status (None | str | Unset): A status or a class of statuses
        user_id (None | str | Unset): The id of an account
        request_id (None | str | Unset): The id of a request
        min_ms (float | None | Unset): The minimum duration in milliseconds

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | RequestPage
    """

    return (
        await asyncio_detailed(
            client=client,
            limit=limit,
            cursor=cursor,
            since=since,
            until=until,
            route=route,
            method=method,
            status=status,
            user_id=user_id,
            request_id=request_id,
            min_ms=min_ms,
        )
    ).parsed
