from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="TagImplications")


@_attrs_define
class TagImplications:
    """All the tags that a tag implies directly.

    Attributes:
        implies (list[str]):
    """

    implies: list[str]

    def to_dict(self) -> dict[str, Any]:
        implies = self.implies

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "implies": implies,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        implies = cast(list[str], d.pop("implies"))

        tag_implications = cls(
            implies=implies,
        )

        return tag_implications
