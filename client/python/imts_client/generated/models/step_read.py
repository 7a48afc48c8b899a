from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="StepRead")


@_attrs_define
class StepRead:
    """A step of the search of the first page. `max_rows` limits the rows examined; null means all rows.

    Attributes:
        access_path (str):
        reason (str):
        expected_rows (float | None):
        cost (float | None):
        max_rows (int | None):
        returned_rows (int):
        milliseconds (float):
    """

    access_path: str
    reason: str
    expected_rows: float | None
    cost: float | None
    max_rows: int | None
    returned_rows: int
    milliseconds: float
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        access_path = self.access_path

        reason = self.reason

        expected_rows: float | None
        expected_rows = self.expected_rows

        cost: float | None
        cost = self.cost

        max_rows: int | None
        max_rows = self.max_rows

        returned_rows = self.returned_rows

        milliseconds = self.milliseconds

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "access_path": access_path,
                "reason": reason,
                "expected_rows": expected_rows,
                "cost": cost,
                "max_rows": max_rows,
                "returned_rows": returned_rows,
                "milliseconds": milliseconds,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        access_path = d.pop("access_path")

        reason = d.pop("reason")

        def _parse_expected_rows(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        expected_rows = _parse_expected_rows(d.pop("expected_rows"))

        def _parse_cost(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        cost = _parse_cost(d.pop("cost"))

        def _parse_max_rows(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        max_rows = _parse_max_rows(d.pop("max_rows"))

        returned_rows = d.pop("returned_rows")

        milliseconds = d.pop("milliseconds")

        step_read = cls(
            access_path=access_path,
            reason=reason,
            expected_rows=expected_rows,
            cost=cost,
            max_rows=max_rows,
            returned_rows=returned_rows,
            milliseconds=milliseconds,
        )

        step_read.additional_properties = d
        return step_read

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
