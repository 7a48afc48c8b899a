from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.similarity_kind import SimilarityKind

if TYPE_CHECKING:
    from ..models.image_read import ImageRead


T = TypeVar("T", bound="DuplicateGroup")


@_attrs_define
class DuplicateGroup:
    """Images that are duplicates of the first one, which is the oldest.

    Attributes:
        kind (SimilarityKind): How two images are similar: the same file, the same decoded picture, or near hashes. The
            closest first.
        images (list[ImageRead]):
    """

    kind: SimilarityKind
    images: list[ImageRead]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind.value

        images = []
        for images_item_data in self.images:
            images_item = images_item_data.to_dict()
            images.append(images_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "images": images,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.image_read import ImageRead

        d = dict(src_dict)
        kind = SimilarityKind(d.pop("kind"))

        images = []
        _images = d.pop("images")
        for images_item_data in _images:
            images_item = ImageRead.from_dict(images_item_data)

            images.append(images_item)

        duplicate_group = cls(
            kind=kind,
            images=images,
        )

        duplicate_group.additional_properties = d
        return duplicate_group

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
