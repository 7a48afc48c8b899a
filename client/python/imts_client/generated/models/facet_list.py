from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.facet_list_by import FacetListBy
from ..models.facet_list_is import FacetListIs

if TYPE_CHECKING:
    from ..models.facet_item import FacetItem


T = TypeVar("T", bound="FacetList")


@_attrs_define
class FacetList:
    """The most frequent values of the field `by`; equally frequent ones in the order of their characters.

    Attributes:
        by (FacetListBy):
        total (int): The number of matching images
        items (list[FacetItem]):
        is_ (FacetListIs): Of the total and of each number of images
    """

    by: FacetListBy
    total: int
    items: list[FacetItem]
    is_: FacetListIs
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        by = self.by.value

        total = self.total

        items = []
        for items_item_data in self.items:
            items_item = items_item_data.to_dict()
            items.append(items_item)

        is_ = self.is_.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "by": by,
                "total": total,
                "items": items,
                "is": is_,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.facet_item import FacetItem

        d = dict(src_dict)
        by = FacetListBy(d.pop("by"))

        total = d.pop("total")

        items = []
        _items = d.pop("items")
        for items_item_data in _items:
            items_item = FacetItem.from_dict(items_item_data)

            items.append(items_item)

        is_ = FacetListIs(d.pop("is"))

        facet_list = cls(
            by=by,
            total=total,
            items=items,
            is_=is_,
        )

        facet_list.additional_properties = d
        return facet_list

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
