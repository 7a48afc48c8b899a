from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.image_search_count import ImageSearchCount
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.image_filter import ImageFilter


T = TypeVar("T", bound="ImageSearch")


@_attrs_define
class ImageSearch:
    """A filter and the parameters of `GET /v1/images`. An empty filter matches all images.

    Attributes:
        filter_ (ImageFilter | Unset): The members are combined with AND. `tag` is a tag, or a part of one with `*`. The
            rest are the filters of `q`.
        sort (str | Unset):  Default: '-created'.
        count (ImageSearchCount | Unset):  Default: ImageSearchCount.NONE.
        limit (int | Unset): The maximum number of items Default: 20.
        cursor (None | str | Unset): The `next_cursor` of the previous page, with otherwise equal parameters
    """

    filter_: ImageFilter | Unset = UNSET
    sort: str | Unset = "-created"
    count: ImageSearchCount | Unset = ImageSearchCount.NONE
    limit: int | Unset = 20
    cursor: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        filter_: dict[str, Any] | Unset = UNSET
        if not isinstance(self.filter_, Unset):
            filter_ = self.filter_.to_dict()

        sort = self.sort

        count: str | Unset = UNSET
        if not isinstance(self.count, Unset):
            count = self.count.value

        limit = self.limit

        cursor: None | str | Unset
        if isinstance(self.cursor, Unset):
            cursor = UNSET
        else:
            cursor = self.cursor

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if filter_ is not UNSET:
            field_dict["filter"] = filter_
        if sort is not UNSET:
            field_dict["sort"] = sort
        if count is not UNSET:
            field_dict["count"] = count
        if limit is not UNSET:
            field_dict["limit"] = limit
        if cursor is not UNSET:
            field_dict["cursor"] = cursor

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.image_filter import ImageFilter

        d = dict(src_dict)
        _filter_ = d.pop("filter", UNSET)
        filter_: ImageFilter | Unset
        if isinstance(_filter_, Unset):
            filter_ = UNSET
        else:
            filter_ = ImageFilter.from_dict(_filter_)

        sort = d.pop("sort", UNSET)

        _count = d.pop("count", UNSET)
        count: ImageSearchCount | Unset
        if isinstance(_count, Unset):
            count = UNSET
        else:
            count = ImageSearchCount(_count)

        limit = d.pop("limit", UNSET)

        def _parse_cursor(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        cursor = _parse_cursor(d.pop("cursor", UNSET))

        image_search = cls(
            filter_=filter_,
            sort=sort,
            count=count,
            limit=limit,
            cursor=cursor,
        )

        return image_search
