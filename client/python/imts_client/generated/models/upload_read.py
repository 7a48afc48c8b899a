from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="UploadRead")


@_attrs_define
class UploadRead:
    """An upload in progress. `offset` and `length` are in bytes; `length` is null until the client declares it.

    Attributes:
        id (UUID):
        name (str):
        offset (int):
        length (int | None):
        expires_at (datetime.datetime):
    """

    id: UUID
    name: str
    offset: int
    length: int | None
    expires_at: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        name = self.name

        offset = self.offset

        length: int | None
        length = self.length

        expires_at = self.expires_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "name": name,
                "offset": offset,
                "length": length,
                "expires_at": expires_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        name = d.pop("name")

        offset = d.pop("offset")

        def _parse_length(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        length = _parse_length(d.pop("length"))

        expires_at = datetime.datetime.fromisoformat(d.pop("expires_at"))

        upload_read = cls(
            id=id,
            name=name,
            offset=offset,
            length=length,
            expires_at=expires_at,
        )

        upload_read.additional_properties = d
        return upload_read

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
