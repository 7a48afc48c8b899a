import datetime
from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.list_request_metrics_group_by import ListRequestMetricsGroupBy
from ...models.metrics_series import MetricsSeries
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    step: int | Unset = 60,
    group_by: ListRequestMetricsGroupBy | Unset = ListRequestMetricsGroupBy.ROUTE,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

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

    params["step"] = step

    json_group_by: str | Unset = UNSET
    if not isinstance(group_by, Unset):
        json_group_by = group_by.value

    params["group_by"] = json_group_by

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/ops/metrics",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> MetricsSeries | Problem:
    if response.status_code == 200:
        response_200 = MetricsSeries.from_dict(response.json())

        return response_200

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
) -> Response[MetricsSeries | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    step: int | Unset = 60,
    group_by: ListRequestMetricsGroupBy | Unset = ListRequestMetricsGroupBy.ROUTE,
) -> Response[MetricsSeries | Problem]:
    """Get request metrics

     Return a time series for each group, summed over all workers. Admins only.

    Args:
        since (datetime.datetime | None | Unset): The start of the period. Default: an hour before
            `until`
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        step (int | Unset): The length of a step in seconds, a multiple of 60 Default: 60.
        group_by (ListRequestMetricsGroupBy | Unset): The property to group by; `status` groups by
            class, such as 2xx Default: ListRequestMetricsGroupBy.ROUTE.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[MetricsSeries | Problem]
    """

    kwargs = _get_kwargs(
        since=since,
        until=until,
        step=step,
        group_by=group_by,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    step: int | Unset = 60,
    group_by: ListRequestMetricsGroupBy | Unset = ListRequestMetricsGroupBy.ROUTE,
) -> MetricsSeries | Problem | None:
    """Get request metrics

     Return a time series for each group, summed over all workers. Admins only.

    Args:
        since (datetime.datetime | None | Unset): The start of the period. Default: an hour before
            `until`
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        step (int | Unset): The length of a step in seconds, a multiple of 60 Default: 60.
        group_by (ListRequestMetricsGroupBy | Unset): The property to group by; `status` groups by
            class, such as 2xx Default: ListRequestMetricsGroupBy.ROUTE.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        MetricsSeries | Problem
    """

    return sync_detailed(
        client=client,
        since=since,
        until=until,
        step=step,
        group_by=group_by,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    step: int | Unset = 60,
    group_by: ListRequestMetricsGroupBy | Unset = ListRequestMetricsGroupBy.ROUTE,
) -> Response[MetricsSeries | Problem]:
    """Get request metrics

     Return a time series for each group, summed over all workers. Admins only.

    Args:
        since (datetime.datetime | None | Unset): The start of the period. Default: an hour before
            `until`
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        step (int | Unset): The length of a step in seconds, a multiple of 60 Default: 60.
        group_by (ListRequestMetricsGroupBy | Unset): The property to group by; `status` groups by
            class, such as 2xx Default: ListRequestMetricsGroupBy.ROUTE.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[MetricsSeries | Problem]
    """

    kwargs = _get_kwargs(
        since=since,
        until=until,
        step=step,
        group_by=group_by,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    since: datetime.datetime | None | Unset = UNSET,
    until: datetime.datetime | None | Unset = UNSET,
    step: int | Unset = 60,
    group_by: ListRequestMetricsGroupBy | Unset = ListRequestMetricsGroupBy.ROUTE,
) -> MetricsSeries | Problem | None:
    """Get request metrics

     Return a time series for each group, summed over all workers. Admins only.

    Args:
        since (datetime.datetime | None | Unset): The start of the period. Default: an hour before
            `until`
        until (datetime.datetime | None | Unset): The end of the period. Default: now
        step (int | Unset): The length of a step in seconds, a multiple of 60 Default: 60.
        group_by (ListRequestMetricsGroupBy | Unset): The property to group by; `status` groups by
            class, such as 2xx Default: ListRequestMetricsGroupBy.ROUTE.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        MetricsSeries | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            since=since,
            until=until,
            step=step,
            group_by=group_by,
        )
    ).parsed
