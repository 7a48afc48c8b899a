from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="LookupRequest")


@_attrs_define
class LookupRequest:
    """The SHA-256 digests of files.

    Attributes:
        sha256 (list[str]):
    """

    sha256: list[str]

    def to_dict(self) -> dict[str, Any]:
        sha256 = self.sha256

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "sha256": sha256,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        sha256 = cast(list[str], d.pop("sha256"))

        lookup_request = cls(
            sha256=sha256,
        )

        return lookup_request
