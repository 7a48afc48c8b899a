from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="InvitationCreated")


@_attrs_define
class InvitationCreated:
    """A new invitation. `code` is shown only in this response.

    Attributes:
        id (UUID):
        email (None | str):
        created_by (UUID):
        created_at (datetime.datetime):
        expires_at (datetime.datetime):
        code (str):
    """

    id: UUID
    email: None | str
    created_by: UUID
    created_at: datetime.datetime
    expires_at: datetime.datetime
    code: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        email: None | str
        email = self.email

        created_by = str(self.created_by)

        created_at = self.created_at.isoformat()

        expires_at = self.expires_at.isoformat()

        code = self.code

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "email": email,
                "created_by": created_by,
                "created_at": created_at,
                "expires_at": expires_at,
                "code": code,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        def _parse_email(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        email = _parse_email(d.pop("email"))

        created_by = UUID(d.pop("created_by"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        expires_at = datetime.datetime.fromisoformat(d.pop("expires_at"))

        code = d.pop("code")

        invitation_created = cls(
            id=id,
            email=email,
            created_by=created_by,
            created_at=created_at,
            expires_at=expires_at,
            code=code,
        )

        invitation_created.additional_properties = d
        return invitation_created

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
