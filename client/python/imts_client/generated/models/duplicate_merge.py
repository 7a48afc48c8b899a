from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar
from uuid import UUID

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="DuplicateMerge")


@_attrs_define
class DuplicateMerge:
    """The image to keep, and the images whose tags it gets and that go to the trash.

    Attributes:
        keep (UUID):
        others (list[UUID]):
        dry_run (bool | Unset):  Default: False.
    """

    keep: UUID
    others: list[UUID]
    dry_run: bool | Unset = False

    def to_dict(self) -> dict[str, Any]:
        keep = str(self.keep)

        others = []
        for others_item_data in self.others:
            others_item = str(others_item_data)
            others.append(others_item)

        dry_run = self.dry_run

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "keep": keep,
                "others": others,
            }
        )
        if dry_run is not UNSET:
            field_dict["dry_run"] = dry_run

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        keep = UUID(d.pop("keep"))

        others = []
        _others = d.pop("others")
        for others_item_data in _others:
            others_item = UUID(others_item_data)

            others.append(others_item)

        dry_run = d.pop("dry_run", UNSET)

        duplicate_merge = cls(
            keep=keep,
            others=others,
            dry_run=dry_run,
        )

        return duplicate_merge
