from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="RequestRead")


@_attrs_define
class RequestRead:
    """A request record. Durations are in milliseconds; `bytes_in` and `bytes_out` are the sizes of the bodies.

    `status` is 499 if the client disconnected before the response. `aborted` marks an incomplete response.

        Attributes:
            event_id (str):
            time (datetime.datetime):
            method (str):
            route (str):
            path (str):
            status (int):
            duration_ms (float):
            bytes_in (int):
            bytes_out (int):
            user_agent (str):
            request_id (str):
            statements (int): SQL statements
            statement_ms (float):
            cache_hits (int):
            cache_misses (int):
            worker (str):
            client_disconnected (bool):
            aborted (bool):
            query (None | str | Unset):
            first_byte_ms (float | None | Unset):
            user_id (None | str | Unset):
            credential_id (None | str | Unset): The id of the session or of the API key
            client (None | str | Unset):
            trace_id (None | str | Unset):
            error_slug (None | str | Unset):
    """

    event_id: str
    time: datetime.datetime
    method: str
    route: str
    path: str
    status: int
    duration_ms: float
    bytes_in: int
    bytes_out: int
    user_agent: str
    request_id: str
    statements: int
    statement_ms: float
    cache_hits: int
    cache_misses: int
    worker: str
    client_disconnected: bool
    aborted: bool
    query: None | str | Unset = UNSET
    first_byte_ms: float | None | Unset = UNSET
    user_id: None | str | Unset = UNSET
    credential_id: None | str | Unset = UNSET
    client: None | str | Unset = UNSET
    trace_id: None | str | Unset = UNSET
    error_slug: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        event_id = self.event_id

        time = self.time.isoformat()

        method = self.method

        route = self.route

        path = self.path

        status = self.status

        duration_ms = self.duration_ms

        bytes_in = self.bytes_in

        bytes_out = self.bytes_out

        user_agent = self.user_agent

        request_id = self.request_id

        statements = self.statements

        statement_ms = self.statement_ms

        cache_hits = self.cache_hits

        cache_misses = self.cache_misses

        worker = self.worker

        client_disconnected = self.client_disconnected

        aborted = self.aborted

        query: None | str | Unset
        if isinstance(self.query, Unset):
            query = UNSET
        else:
            query = self.query

        first_byte_ms: float | None | Unset
        if isinstance(self.first_byte_ms, Unset):
            first_byte_ms = UNSET
        else:
            first_byte_ms = self.first_byte_ms

        user_id: None | str | Unset
        if isinstance(self.user_id, Unset):
            user_id = UNSET
        else:
            user_id = self.user_id

        credential_id: None | str | Unset
        if isinstance(self.credential_id, Unset):
            credential_id = UNSET
        else:
            credential_id = self.credential_id

        client: None | str | Unset
        if isinstance(self.client, Unset):
            client = UNSET
        else:
            client = self.client

        trace_id: None | str | Unset
        if isinstance(self.trace_id, Unset):
            trace_id = UNSET
        else:
            trace_id = self.trace_id

        error_slug: None | str | Unset
        if isinstance(self.error_slug, Unset):
            error_slug = UNSET
        else:
            error_slug = self.error_slug

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "event_id": event_id,
                "time": time,
                "method": method,
                "route": route,
                "path": path,
                "status": status,
                "duration_ms": duration_ms,
                "bytes_in": bytes_in,
                "bytes_out": bytes_out,
                "user_agent": user_agent,
                "request_id": request_id,
                "statements": statements,
                "statement_ms": statement_ms,
                "cache_hits": cache_hits,
                "cache_misses": cache_misses,
                "worker": worker,
                "client_disconnected": client_disconnected,
                "aborted": aborted,
            }
        )
        if query is not UNSET:
            field_dict["query"] = query
        if first_byte_ms is not UNSET:
            field_dict["first_byte_ms"] = first_byte_ms
        if user_id is not UNSET:
            field_dict["user_id"] = user_id
        if credential_id is not UNSET:
            field_dict["credential_id"] = credential_id
        if client is not UNSET:
            field_dict["client"] = client
        if trace_id is not UNSET:
            field_dict["trace_id"] = trace_id
        if error_slug is not UNSET:
            field_dict["error_slug"] = error_slug

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        event_id = d.pop("event_id")

        time = datetime.datetime.fromisoformat(d.pop("time"))

        method = d.pop("method")

        route = d.pop("route")

        path = d.pop("path")

        status = d.pop("status")

        duration_ms = d.pop("duration_ms")

        bytes_in = d.pop("bytes_in")

        bytes_out = d.pop("bytes_out")

        user_agent = d.pop("user_agent")

        request_id = d.pop("request_id")

        statements = d.pop("statements")

        statement_ms = d.pop("statement_ms")

        cache_hits = d.pop("cache_hits")

        cache_misses = d.pop("cache_misses")

        worker = d.pop("worker")

        client_disconnected = d.pop("client_disconnected")

        aborted = d.pop("aborted")

        def _parse_query(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        query = _parse_query(d.pop("query", UNSET))

        def _parse_first_byte_ms(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        first_byte_ms = _parse_first_byte_ms(d.pop("first_byte_ms", UNSET))

        def _parse_user_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        user_id = _parse_user_id(d.pop("user_id", UNSET))

        def _parse_credential_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        credential_id = _parse_credential_id(d.pop("credential_id", UNSET))

        def _parse_client(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        client = _parse_client(d.pop("client", UNSET))

        def _parse_trace_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        trace_id = _parse_trace_id(d.pop("trace_id", UNSET))

        def _parse_error_slug(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        error_slug = _parse_error_slug(d.pop("error_slug", UNSET))

        request_read = cls(
            event_id=event_id,
            time=time,
            method=method,
            route=route,
            path=path,
            status=status,
            duration_ms=duration_ms,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            user_agent=user_agent,
            request_id=request_id,
            statements=statements,
            statement_ms=statement_ms,
            cache_hits=cache_hits,
            cache_misses=cache_misses,
            worker=worker,
            client_disconnected=client_disconnected,
            aborted=aborted,
            query=query,
            first_byte_ms=first_byte_ms,
            user_id=user_id,
            credential_id=credential_id,
            client=client,
            trace_id=trace_id,
            error_slug=error_slug,
        )

        request_read.additional_properties = d
        return request_read

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
