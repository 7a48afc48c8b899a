from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="UsageRead")


@_attrs_define
class UsageRead:
    """The storage usage of an account. Images, uploads in progress and the trash count against its quota.

    Attributes:
        images (int):
        bytes_ (int): The total size of the images
        quota_bytes (int | None): The effective quota; null: no quota
        trashed_images (int):
        trashed_bytes (int):
        uploading_bytes (int):
    """

    images: int
    bytes_: int
    quota_bytes: int | None
    trashed_images: int
    trashed_bytes: int
    uploading_bytes: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        images = self.images

        bytes_ = self.bytes_

        quota_bytes: int | None
        quota_bytes = self.quota_bytes

        trashed_images = self.trashed_images

        trashed_bytes = self.trashed_bytes

        uploading_bytes = self.uploading_bytes

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "images": images,
                "bytes": bytes_,
                "quota_bytes": quota_bytes,
                "trashed_images": trashed_images,
                "trashed_bytes": trashed_bytes,
                "uploading_bytes": uploading_bytes,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        images = d.pop("images")

        bytes_ = d.pop("bytes")

        def _parse_quota_bytes(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        quota_bytes = _parse_quota_bytes(d.pop("quota_bytes"))

        trashed_images = d.pop("trashed_images")

        trashed_bytes = d.pop("trashed_bytes")

        uploading_bytes = d.pop("uploading_bytes")

        usage_read = cls(
            images=images,
            bytes_=bytes_,
            quota_bytes=quota_bytes,
            trashed_images=trashed_images,
            trashed_bytes=trashed_bytes,
            uploading_bytes=uploading_bytes,
        )

        usage_read.additional_properties = d
        return usage_read

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
