import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.audit_action import AuditAction
from ...models.audit_page import AuditPage
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    actor: None | Unset | UUID = UNSET,
    action: AuditAction | None | Unset = UNSET,
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

    json_actor: None | str | Unset
    if isinstance(actor, Unset):
        json_actor = UNSET
    elif isinstance(actor, UUID):
        json_actor = str(actor)
    else:
        json_actor = actor
    params["actor"] = json_actor

    json_action: None | str | Unset
    if isinstance(action, Unset):
        json_action = UNSET
    elif isinstance(action, AuditAction):
        json_action = action.value
    else:
        json_action = action
    params["action"] = json_action

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/ops/audit",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AuditPage | Problem:
    if response.status_code == 200:
        response_200 = AuditPage.from_dict(response.json())

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
) -> Response[AuditPage | Problem]:
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
    actor: None | Unset | UUID = UNSET,
    action: AuditAction | None | Unset = UNSET,
) -> Response[AuditPage | Problem]:
    """List administrative actions

     Return a page of administrative actions, newest first. Admins only.

    An event is written in the transaction of its action, so the list has exactly the actions that took
    effect. Events
    are kept until an operator deletes them.

    Args:
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        since (datetime.datetime | None | Unset): The start of the period. Default: the first
            event
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        actor (None | Unset | UUID): The id of the account that acted
        action (AuditAction | None | Unset): The kind of action

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditPage | Problem]
    """

    kwargs = _get_kwargs(
        limit=limit,
        cursor=cursor,
        since=since,
        until=until,
        actor=actor,
        action=action,
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
    actor: None | Unset | UUID = UNSET,
    action: AuditAction | None | Unset = UNSET,
) -> AuditPage | Problem | None:
    """List administrative actions

     Return a page of administrative actions, newest first. Admins only.

    An event is written in the transaction of its action, so the list has exactly the actions that took
    effect. Events
    are kept until an operator deletes them.

    Args:
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        since (datetime.datetime | None | Unset): The start of the period. Default: the first
            event
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        actor (None | Unset | UUID): The id of the account that acted
        action (AuditAction | None | Unset): The kind of action

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditPage | Problem
    """

    return sync_detailed(
        client=client,
        limit=limit,
        cursor=cursor,
        since=since,
        until=until,
        actor=actor,
        action=action,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 20,
    cursor: None | str | Unset = UNSET,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    actor: None | Unset | UUID = UNSET,
    action: AuditAction | None | Unset = UNSET,
) -> Response[AuditPage | Problem]:
    """List administrative actions

     Return a page of administrative actions, newest first. Admins only.

    An event is written in the transaction of its action, so the list has exactly the actions that took
    effect. Events
    are kept until an operator deletes them.

    Args:
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        since (datetime.datetime | None | Unset): The start of the period. Default: the first
            event
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        actor (None | Unset | UUID): The id of the account that acted
        action (AuditAction | None | Unset): The kind of action

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditPage | Problem]
    """

    kwargs = _get_kwargs(
        limit=limit,
        cursor=cursor,
        since=since,
        until=until,
        actor=actor,
        action=action,
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
    actor: None | Unset | UUID = UNSET,
    action: AuditAction | None | Unset = UNSET,
) -> AuditPage | Problem | None:
    """List administrative actions

     Return a page of administrative actions, newest first. Admins only.

    An event is written in the transaction of its action, so the list has exactly the actions that took
    effect. Events
    are kept until an operator deletes them.

    Args:
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal
            parameters
        since (datetime.datetime | None | Unset): The start of the period. Default: the first
            event
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        actor (None | Unset | UUID): The id of the account that acted
        action (AuditAction | None | Unset): The kind of action

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditPage | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            limit=limit,
            cursor=cursor,
            since=since,
            until=until,
            actor=actor,
            action=action,
        )
    ).parsed
