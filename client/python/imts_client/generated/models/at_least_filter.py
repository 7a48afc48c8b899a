from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.image_filter import ImageFilter


T = TypeVar("T", bound="AtLeastFilter")


@_attrs_define
class AtLeastFilter:
    """Matches at least `n` of the filters.

    Attributes:
        n (int):
        of (list[ImageFilter]):
    """

    n: int
    of: list[ImageFilter]

    def to_dict(self) -> dict[str, Any]:
        n = self.n

        of = []
        for of_item_data in self.of:
            of_item = of_item_data.to_dict()
            of.append(of_item)

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "n": n,
                "of": of,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.image_filter import ImageFilter

        d = dict(src_dict)
        n = d.pop("n")

        of = []
        _of = d.pop("of")
        for of_item_data in _of:
            of_item = ImageFilter.from_dict(of_item_data)

            of.append(of_item)

        at_least_filter = cls(
            n=n,
            of=of,
        )

        return at_least_filter
