from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.image_page_total_is_type_0 import ImagePageTotalIsType0
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.image_read import ImageRead
    from ..models.search_hint import SearchHint


T = TypeVar("T", bound="ImagePage")


@_attrs_define
class ImagePage:
    """A page of images. `query` is the canonical form of the query.

    Attributes:
        items (list[ImageRead]):
        query (str):
        next_cursor (None | str | Unset):
        total (int | None | Unset): The number of matches; only with `count`
        total_is (ImagePageTotalIsType0 | None | Unset):
        hints (list[SearchHint] | None | Unset): Suggestions; only on an empty page
    """

    items: list[ImageRead]
    query: str
    next_cursor: None | str | Unset = UNSET
    total: int | None | Unset = UNSET
    total_is: ImagePageTotalIsType0 | None | Unset = UNSET
    hints: list[SearchHint] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        items = []
        for items_item_data in self.items:
            items_item = items_item_data.to_dict()
            items.append(items_item)

        query = self.query

        next_cursor: None | str | Unset
        if isinstance(self.next_cursor, Unset):
            next_cursor = UNSET
        else:
            next_cursor = self.next_cursor

        total: int | None | Unset
        if isinstance(self.total, Unset):
            total = UNSET
        else:
            total = self.total

        total_is: None | str | Unset
        if isinstance(self.total_is, Unset):
            total_is = UNSET
        elif isinstance(self.total_is, ImagePageTotalIsType0):
            total_is = self.total_is.value
        else:
            total_is = self.total_is

        hints: list[dict[str, Any]] | None | Unset
        if isinstance(self.hints, Unset):
            hints = UNSET
        elif isinstance(self.hints, list):
            hints = []
            for hints_type_0_item_data in self.hints:
                hints_type_0_item = hints_type_0_item_data.to_dict()
                hints.append(hints_type_0_item)

        else:
            hints = self.hints

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "items": items,
                "query": query,
            }
        )
        if next_cursor is not UNSET:
            field_dict["next_cursor"] = next_cursor
        if total is not UNSET:
            field_dict["total"] = total
        if total_is is not UNSET:
            field_dict["total_is"] = total_is
        if hints is not UNSET:
            field_dict["hints"] = hints

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.image_read import ImageRead
        from ..models.search_hint import SearchHint

        d = dict(src_dict)
        items = []
        _items = d.pop("items")
        for items_item_data in _items:
            items_item = ImageRead.from_dict(items_item_data)

            items.append(items_item)

        query = d.pop("query")

        def _parse_next_cursor(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        next_cursor = _parse_next_cursor(d.pop("next_cursor", UNSET))

        def _parse_total(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        total = _parse_total(d.pop("total", UNSET))

        def _parse_total_is(data: object) -> ImagePageTotalIsType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                total_is_type_0 = ImagePageTotalIsType0(data)

                return total_is_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ImagePageTotalIsType0 | None | Unset, data)

        total_is = _parse_total_is(d.pop("total_is", UNSET))

        def _parse_hints(data: object) -> list[SearchHint] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                hints_type_0 = []
                _hints_type_0 = data
                for hints_type_0_item_data in _hints_type_0:
                    hints_type_0_item = SearchHint.from_dict(hints_type_0_item_data)

                    hints_type_0.append(hints_type_0_item)

                return hints_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[SearchHint] | None | Unset, data)

        hints = _parse_hints(d.pop("hints", UNSET))

        image_page = cls(
            items=items,
            query=query,
            next_cursor=next_cursor,
            total=total,
            total_is=total_is,
            hints=hints,
        )

        image_page.additional_properties = d
        return image_page

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
