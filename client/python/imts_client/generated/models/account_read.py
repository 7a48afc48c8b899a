from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="AccountRead")


@_attrs_define
class AccountRead:
    """An account, as admins see it.

    Attributes:
        id (UUID):
        email (str):
        email_verified (bool): Whether a mailed link or an identity provider has verified the address
        created_at (datetime.datetime):
        is_admin (bool):
        providers (list[str]): Identity providers linked to the account
        has_password (bool):
        disabled (bool):
        quota_bytes (int | None): The quota of this account; null: `MAX_BYTES_PER_USER` applies
        images (int):
        bytes_ (int): The total size of its images
        last_seen_at (datetime.datetime | None): The last use of a current session or API key, with a resolution of one
            access token lifetime
    """

    id: UUID
    email: str
    email_verified: bool
    created_at: datetime.datetime
    is_admin: bool
    providers: list[str]
    has_password: bool
    disabled: bool
    quota_bytes: int | None
    images: int
    bytes_: int
    last_seen_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        email = self.email

        email_verified = self.email_verified

        created_at = self.created_at.isoformat()

        is_admin = self.is_admin

        providers = self.providers

        has_password = self.has_password

        disabled = self.disabled

        quota_bytes: int | None
        quota_bytes = self.quota_bytes

        images = self.images

        bytes_ = self.bytes_

        last_seen_at: None | str
        if isinstance(self.last_seen_at, datetime.datetime):
            last_seen_at = self.last_seen_at.isoformat()
        else:
            last_seen_at = self.last_seen_at

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
                "disabled": disabled,
                "quota_bytes": quota_bytes,
                "images": images,
                "bytes": bytes_,
                "last_seen_at": last_seen_at,
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

        disabled = d.pop("disabled")

        def _parse_quota_bytes(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        quota_bytes = _parse_quota_bytes(d.pop("quota_bytes"))

        images = d.pop("images")

        bytes_ = d.pop("bytes")

        def _parse_last_seen_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                last_seen_at_type_0 = datetime.datetime.fromisoformat(data)

                return last_seen_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        last_seen_at = _parse_last_seen_at(d.pop("last_seen_at"))

        account_read = cls(
            id=id,
            email=email,
            email_verified=email_verified,
            created_at=created_at,
            is_admin=is_admin,
            providers=providers,
            has_password=has_password,
            disabled=disabled,
            quota_bytes=quota_bytes,
            images=images,
            bytes_=bytes_,
            last_seen_at=last_seen_at,
        )

        account_read.additional_properties = d
        return account_read

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
