from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from .. import types
from ..models.upload_image_body_on_conflict import UploadImageBodyOnConflict
from ..models.upload_image_body_visibility import UploadImageBodyVisibility
from ..types import UNSET, File, Unset

T = TypeVar("T", bound="UploadImageBody")


@_attrs_define
class UploadImageBody:
    """
    Attributes:
        image (File): JPEG, PNG, WebP, GIF, AVIF or HEIC
        tags (list[str] | Unset): Repeatable; each may hold several, comma-separated
        visibility (UploadImageBodyVisibility | Unset):  Default: UploadImageBodyVisibility.PUBLIC.
        on_conflict (UploadImageBodyOnConflict | Unset): For a name in use: `error` is 409 `name-taken`, `rename` adds `
            (2)`, ` (3)` and so on before the extension. After `error`, the file is not read. Default:
            UploadImageBodyOnConflict.ERROR.
    """

    image: File
    tags: list[str] | Unset = UNSET
    visibility: UploadImageBodyVisibility | Unset = UploadImageBodyVisibility.PUBLIC
    on_conflict: UploadImageBodyOnConflict | Unset = UploadImageBodyOnConflict.ERROR
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        image = self.image.to_tuple()

        tags: list[str] | Unset = UNSET
        if not isinstance(self.tags, Unset):
            tags = self.tags

        visibility: str | Unset = UNSET
        if not isinstance(self.visibility, Unset):
            visibility = self.visibility.value

        on_conflict: str | Unset = UNSET
        if not isinstance(self.on_conflict, Unset):
            on_conflict = self.on_conflict.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "image": image,
            }
        )
        if tags is not UNSET:
            field_dict["tags"] = tags
        if visibility is not UNSET:
            field_dict["visibility"] = visibility
        if on_conflict is not UNSET:
            field_dict["on_conflict"] = on_conflict

        return field_dict

    def to_multipart(self) -> types.RequestFiles:
        files: types.RequestFiles = []

        files.append(("image", self.image.to_tuple()))

        if not isinstance(self.tags, Unset):
            for tags_item_element in self.tags:
                files.append(
                    ("tags", (None, str(tags_item_element).encode(), "text/plain"))
                )

        if not isinstance(self.visibility, Unset):
            files.append(
                (
                    "visibility",
                    (None, str(self.visibility.value).encode(), "text/plain"),
                )
            )

        if not isinstance(self.on_conflict, Unset):
            files.append(
                (
                    "on_conflict",
                    (None, str(self.on_conflict.value).encode(), "text/plain"),
                )
            )

        for prop_name, prop in self.additional_properties.items():
            files.append((prop_name, (None, str(prop).encode(), "text/plain")))

        return files

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        image = File(payload=BytesIO(d.pop("image")))

        tags = cast(list[str], d.pop("tags", UNSET))

        _visibility = d.pop("visibility", UNSET)
        visibility: UploadImageBodyVisibility | Unset
        if isinstance(_visibility, Unset):
            visibility = UNSET
        else:
            visibility = UploadImageBodyVisibility(_visibility)

        _on_conflict = d.pop("on_conflict", UNSET)
        on_conflict: UploadImageBodyOnConflict | Unset
        if isinstance(_on_conflict, Unset):
            on_conflict = UNSET
        else:
            on_conflict = UploadImageBodyOnConflict(_on_conflict)

        upload_image_body = cls(
            image=image,
            tags=tags,
            visibility=visibility,
            on_conflict=on_conflict,
        )

        upload_image_body.additional_properties = d
        return upload_image_body

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
