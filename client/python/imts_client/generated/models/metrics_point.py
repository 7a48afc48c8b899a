from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="MetricsPoint")


@_attrs_define
class MetricsPoint:
    """A point of a time series. `errors` counts 5xx responses. Percentiles have an error of at most 5 %.

    Attributes:
        start (datetime.datetime):
        group (str):
        count (int):
        errors (int):
        bytes_in (int):
        bytes_out (int):
        p50_ms (float | None):
        p95_ms (float | None):
        p99_ms (float | None):
    """

    start: datetime.datetime
    group: str
    count: int
    errors: int
    bytes_in: int
    bytes_out: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        start = self.start.isoformat()

        group = self.group

        count = self.count

        errors = self.errors

        bytes_in = self.bytes_in

        bytes_out = self.bytes_out

        p50_ms: float | None
        p50_ms = self.p50_ms

        p95_ms: float | None
        p95_ms = self.p95_ms

        p99_ms: float | None
        p99_ms = self.p99_ms

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "start": start,
                "group": group,
                "count": count,
                "errors": errors,
                "bytes_in": bytes_in,
                "bytes_out": bytes_out,
                "p50_ms": p50_ms,
                "p95_ms": p95_ms,
                "p99_ms": p99_ms,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        start = datetime.datetime.fromisoformat(d.pop("start"))

        group = d.pop("group")

        count = d.pop("count")

        errors = d.pop("errors")

        bytes_in = d.pop("bytes_in")

        bytes_out = d.pop("bytes_out")

        def _parse_p50_ms(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        p50_ms = _parse_p50_ms(d.pop("p50_ms"))

        def _parse_p95_ms(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        p95_ms = _parse_p95_ms(d.pop("p95_ms"))

        def _parse_p99_ms(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        p99_ms = _parse_p99_ms(d.pop("p99_ms"))

        metrics_point = cls(
            start=start,
            group=group,
            count=count,
            errors=errors,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            p50_ms=p50_ms,
            p95_ms=p95_ms,
            p99_ms=p99_ms,
        )

        metrics_point.additional_properties = d
        return metrics_point

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
