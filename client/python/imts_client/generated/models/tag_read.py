from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="TagRead")


@_attrs_define
class TagRead:
    """A tag. `images` is the exact number of public images with the tag.

    Attributes:
        name (str):
        images (int):
        aliases (list[str]):
        implies (list[str]): Directly implied tags
        created_at (datetime.datetime):
        alias_of (None | str | Unset): The requested alias, if the request named one
    """

    name: str
    images: int
    aliases: list[str]
    implies: list[str]
    created_at: datetime.datetime
    alias_of: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        images = self.images

        aliases = self.aliases

        implies = self.implies

        created_at = self.created_at.isoformat()

        alias_of: None | str | Unset
        if isinstance(self.alias_of, Unset):
            alias_of = UNSET
        else:
            alias_of = self.alias_of

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "images": images,
                "aliases": aliases,
                "implies": implies,
                "created_at": created_at,
            }
        )
        if alias_of is not UNSET:
            field_dict["alias_of"] = alias_of

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        name = d.pop("name")

        images = d.pop("images")

        aliases = cast(list[str], d.pop("aliases"))

        implies = cast(list[str], d.pop("implies"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        def _parse_alias_of(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        alias_of = _parse_alias_of(d.pop("alias_of", UNSET))

        tag_read = cls(
            name=name,
            images=images,
            aliases=aliases,
            implies=implies,
            created_at=created_at,
            alias_of=alias_of,
        )

        tag_read.additional_properties = d
        return tag_read

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
