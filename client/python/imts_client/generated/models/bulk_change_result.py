from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.skipped_read import SkippedRead


T = TypeVar("T", bound="BulkChangeResult")


@_attrs_define
class BulkChangeResult:
    """The number of matching images that the caller may change, and of those that changed.

    Attributes:
        matched (int):
        changed (int):
        batch (None | UUID): The id of the change; null for a dry run
        skipped (list[SkippedRead]): The matching images that could not be changed
    """

    matched: int
    changed: int
    batch: None | UUID
    skipped: list[SkippedRead]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        matched = self.matched

        changed = self.changed

        batch: None | str
        if isinstance(self.batch, UUID):
            batch = str(self.batch)
        else:
            batch = self.batch

        skipped = []
        for skipped_item_data in self.skipped:
            skipped_item = skipped_item_data.to_dict()
            skipped.append(skipped_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "matched": matched,
                "changed": changed,
                "batch": batch,
                "skipped": skipped,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.skipped_read import SkippedRead

        d = dict(src_dict)
        matched = d.pop("matched")

        changed = d.pop("changed")

        def _parse_batch(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                batch_type_0 = UUID(data)

                return batch_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        batch = _parse_batch(d.pop("batch"))

        skipped = []
        _skipped = d.pop("skipped")
        for skipped_item_data in _skipped:
            skipped_item = SkippedRead.from_dict(skipped_item_data)

            skipped.append(skipped_item)

        bulk_change_result = cls(
            matched=matched,
            changed=changed,
            batch=batch,
            skipped=skipped,
        )

        bulk_change_result.additional_properties = d
        return bulk_change_result

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
