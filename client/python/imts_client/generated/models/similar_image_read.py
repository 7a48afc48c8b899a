from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.similarity_kind import SimilarityKind

if TYPE_CHECKING:
    from ..models.image_read import ImageRead


T = TypeVar("T", bound="SimilarImageRead")


@_attrs_define
class SimilarImageRead:
    """A similar image.

    Attributes:
        image (ImageRead): An image. `size` is in bytes. `width` and `height` are in pixels, as displayed.
        kind (SimilarityKind): How two images are similar: the same file, the same decoded picture, or near hashes. The
            closest first.
        distance (int): The number of different bits of the hashes, of 256; 0 for `bytes` and `pixels`
    """

    image: ImageRead
    kind: SimilarityKind
    distance: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        image = self.image.to_dict()

        kind = self.kind.value

        distance = self.distance

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "image": image,
                "kind": kind,
                "distance": distance,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.image_read import ImageRead

        d = dict(src_dict)
        image = ImageRead.from_dict(d.pop("image"))

        kind = SimilarityKind(d.pop("kind"))

        distance = d.pop("distance")

        similar_image_read = cls(
            image=image,
            kind=kind,
            distance=distance,
        )

        similar_image_read.additional_properties = d
        return similar_image_read

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
