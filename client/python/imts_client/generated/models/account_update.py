from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="AccountUpdate")


@_attrs_define
class AccountUpdate:
    """The fields of an account that an admin changes.

    Attributes:
        is_admin (bool | Unset):  Default: False.
        disabled (bool | Unset):  Default: False.
        quota_bytes (int | None | Unset): Null: `MAX_BYTES_PER_USER` applies
        password (None | str | Unset):
    """

    is_admin: bool | Unset = False
    disabled: bool | Unset = False
    quota_bytes: int | None | Unset = UNSET
    password: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        is_admin = self.is_admin

        disabled = self.disabled

        quota_bytes: int | None | Unset
        if isinstance(self.quota_bytes, Unset):
            quota_bytes = UNSET
        else:
            quota_bytes = self.quota_bytes

        password: None | str | Unset
        if isinstance(self.password, Unset):
            password = UNSET
        else:
            password = self.password

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if is_admin is not UNSET:
            field_dict["is_admin"] = is_admin
        if disabled is not UNSET:
            field_dict["disabled"] = disabled
        if quota_bytes is not UNSET:
            field_dict["quota_bytes"] = quota_bytes
        if password is not UNSET:
            field_dict["password"] = password

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        is_admin = d.pop("is_admin", UNSET)

        disabled = d.pop("disabled", UNSET)

        def _parse_quota_bytes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        quota_bytes = _parse_quota_bytes(d.pop("quota_bytes", UNSET))

        def _parse_password(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        password = _parse_password(d.pop("password", UNSET))

        account_update = cls(
            is_admin=is_admin,
            disabled=disabled,
            quota_bytes=quota_bytes,
            password=password,
        )

        return account_update
