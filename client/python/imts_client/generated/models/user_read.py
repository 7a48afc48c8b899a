from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="UserRead")


@_attrs_define
class UserRead:
    """An account, as its owner and admins see it.

    Attributes:
        id (UUID):
        email (str):
        email_verified (bool): Whether a mailed link or an identity provider has verified the address
        created_at (datetime.datetime):
        is_admin (bool):
        providers (list[str]): Identity providers linked to the account
        has_password (bool):
    """

    id: UUID
    email: str
    email_verified: bool
    created_at: datetime.datetime
    is_admin: bool
    providers: list[str]
    has_password: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        email = self.email

        email_verified = self.email_verified

        created_at = self.created_at.isoformat()

        is_admin = self.is_admin

        providers = self.providers

        has_password = self.has_password

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "email": email,
                "email_verified": email_verified,
                "created_at": created_at,
                "is_admin": is_admin,
                "providers": providers,
                "has_password": has_password,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        email = d.pop("email")

        email_verified = d.pop("email_verified")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        is_admin = d.pop("is_admin")

        providers = cast(list[str], d.pop("providers"))

        has_password = d.pop("has_password")

        user_read = cls(
            id=id,
            email=email,
            email_verified=email_verified,
            created_at=created_at,
            is_admin=is_admin,
            providers=providers,
            has_password=has_password,
        )

        user_read.additional_properties = d
        return user_read

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
