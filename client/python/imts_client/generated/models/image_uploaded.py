from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.visibility import Visibility
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.image_links import ImageLinks


T = TypeVar("T", bound="ImageUploaded")


@_attrs_define
class ImageUploaded:
    """A new image, with the paths of visible copies.

    Attributes:
        id (UUID):
        name (str):
        content_type (str):
        size (int):
        width (int):
        height (int):
        taken_at (None | str): The time by the camera's clock, with an offset from UTC only if the file records one
        camera (None | str): The make and model of the camera
        sha256 (str):
        visibility (Visibility): The visibility of an image: to every caller, or only to its owner and the admins.
        tags (list[str]):
        uploaded_by (None | UUID):
        created_at (datetime.datetime):
        links (ImageLinks): Paths of the image and its files.
        duplicates (list[str] | Unset): Images with the same bytes: up to 20
        similar (list[str] | Unset): The nearest similar images, also with the same bytes: up to five
    """

    id: UUID
    name: str
    content_type: str
    size: int
    width: int
    height: int
    taken_at: None | str
    camera: None | str
    sha256: str
    visibility: Visibility
    tags: list[str]
    uploaded_by: None | UUID
    created_at: datetime.datetime
    links: ImageLinks
    duplicates: list[str] | Unset = UNSET
    similar: list[str] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        name = self.name

        content_type = self.content_type

        size = self.size

        width = self.width

        height = self.height

        taken_at: None | str
        taken_at = self.taken_at

        camera: None | str
        camera = self.camera

        sha256 = self.sha256

        visibility = self.visibility.value

        tags = self.tags

        uploaded_by: None | str
        if isinstance(self.uploaded_by, UUID):
            uploaded_by = str(self.uploaded_by)
        else:
            uploaded_by = self.uploaded_by

        created_at = self.created_at.isoformat()

        links = self.links.to_dict()

        duplicates: list[str] | Unset = UNSET
        if not isinstance(self.duplicates, Unset):
            duplicates = self.duplicates

        similar: list[str] | Unset = UNSET
        if not isinstance(self.similar, Unset):
            similar = self.similar

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "name": name,
                "content_type": content_type,
                "size": size,
                "width": width,
                "height": height,
                "taken_at": taken_at,
                "camera": camera,
                "sha256": sha256,
                "visibility": visibility,
                "tags": tags,
                "uploaded_by": uploaded_by,
                "created_at": created_at,
                "links": links,
            }
        )
        if duplicates is not UNSET:
            field_dict["duplicates"] = duplicates
        if similar is not UNSET:
            field_dict["similar"] = similar

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.image_links import ImageLinks

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        name = d.pop("name")

        content_type = d.pop("content_type")

        size = d.pop("size")

        width = d.pop("width")

        height = d.pop("height")

        def _parse_taken_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        taken_at = _parse_taken_at(d.pop("taken_at"))

        def _parse_camera(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        camera = _parse_camera(d.pop("camera"))

        sha256 = d.pop("sha256")

        visibility = Visibility(d.pop("visibility"))

        tags = cast(list[str], d.pop("tags"))

        def _parse_uploaded_by(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                uploaded_by_type_0 = UUID(data)

                return uploaded_by_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        uploaded_by = _parse_uploaded_by(d.pop("uploaded_by"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        links = ImageLinks.from_dict(d.pop("links"))

        duplicates = cast(list[str], d.pop("duplicates", UNSET))

        similar = cast(list[str], d.pop("similar", UNSET))

        image_uploaded = cls(
            id=id,
            name=name,
            content_type=content_type,
            size=size,
            width=width,
            height=height,
            taken_at=taken_at,
            camera=camera,
            sha256=sha256,
            visibility=visibility,
            tags=tags,
            uploaded_by=uploaded_by,
            created_at=created_at,
            links=links,
            duplicates=duplicates,
            similar=similar,
        )

        image_uploaded.additional_properties = d
        return image_uploaded

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
