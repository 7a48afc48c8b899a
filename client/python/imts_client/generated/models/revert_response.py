from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.event_read import EventRead
    from ..models.unrestored_read import UnrestoredRead


T = TypeVar("T", bound="RevertResponse")


@_attrs_define
class RevertResponse:
    """The number of images with a selected change, and of those that the revert changed.

    `conflicts` has up to 1,000 later changes of the same tags of the same images, which are kept, newest first.
    `unrestored` has up to 1,000 other parts that cannot be restored. `batch` is the id of the revert in the history,
    which has no events if nothing changed; null for a dry run.

        Attributes:
            matched (int):
            changed (int):
            conflicts (list[EventRead]):
            unrestored (list[UnrestoredRead]):
            batch (None | UUID):
    """

    matched: int
    changed: int
    conflicts: list[EventRead]
    unrestored: list[UnrestoredRead]
    batch: None | UUID
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        matched = self.matched

        changed = self.changed

        conflicts = []
        for conflicts_item_data in self.conflicts:
            conflicts_item = conflicts_item_data.to_dict()
            conflicts.append(conflicts_item)

        unrestored = []
        for unrestored_item_data in self.unrestored:
            unrestored_item = unrestored_item_data.to_dict()
            unrestored.append(unrestored_item)

        batch: None | str
        if isinstance(self.batch, UUID):
            batch = str(self.batch)
        else:
            batch = self.batch

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "matched": matched,
                "changed": changed,
                "conflicts": conflicts,
                "unrestored": unrestored,
                "batch": batch,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.event_read import EventRead
        from ..models.unrestored_read import UnrestoredRead

        d = dict(src_dict)
        matched = d.pop("matched")

        changed = d.pop("changed")

        conflicts = []
        _conflicts = d.pop("conflicts")
        for conflicts_item_data in _conflicts:
            conflicts_item = EventRead.from_dict(conflicts_item_data)

            conflicts.append(conflicts_item)

        unrestored = []
        _unrestored = d.pop("unrestored")
        for unrestored_item_data in _unrestored:
            unrestored_item = UnrestoredRead.from_dict(unrestored_item_data)

            unrestored.append(unrestored_item)

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

        revert_response = cls(
            matched=matched,
            changed=changed,
            conflicts=conflicts,
            unrestored=unrestored,
            batch=batch,
        )

        revert_response.additional_properties = d
        return revert_response

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
