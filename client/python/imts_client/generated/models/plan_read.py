from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="PlanRead")


@_attrs_define
class PlanRead:
    """The first step of the search; all members are null if a wildcard is too broad.

    `estimated_matches` is null if no tag bounds the matches. `cost` is in microseconds; it is null without a bound.

        Attributes:
            access_path (None | str):
            estimated_matches (int | None):
            cost (float | None):
    """

    access_path: None | str
    estimated_matches: int | None
    cost: float | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        access_path: None | str
        access_path = self.access_path

        estimated_matches: int | None
        estimated_matches = self.estimated_matches

        cost: float | None
        cost = self.cost

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "access_path": access_path,
                "estimated_matches": estimated_matches,
                "cost": cost,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_access_path(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        access_path = _parse_access_path(d.pop("access_path"))

        def _parse_estimated_matches(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        estimated_matches = _parse_estimated_matches(d.pop("estimated_matches"))

        def _parse_cost(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        cost = _parse_cost(d.pop("cost"))

        plan_read = cls(
            access_path=access_path,
            estimated_matches=estimated_matches,
            cost=cost,
        )

        plan_read.additional_properties = d
        return plan_read

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
