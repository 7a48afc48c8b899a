from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="OneOfValues")


@_attrs_define
class OneOfValues:
    """Matches one of the values.

    Attributes:
        in_ (list[str]):
    """

    in_: list[str]

    def to_dict(self) -> dict[str, Any]:
        in_ = self.in_

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "in": in_,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        in_ = cast(list[str], d.pop("in"))

        one_of_values = cls(
            in_=in_,
        )

        return one_of_values
