from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="TagAliases")


@_attrs_define
class TagAliases:
    """All the other names of a tag.

    Attributes:
        aliases (list[str]):
    """

    aliases: list[str]

    def to_dict(self) -> dict[str, Any]:
        aliases = self.aliases

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "aliases": aliases,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        aliases = cast(list[str], d.pop("aliases"))

        tag_aliases = cls(
            aliases=aliases,
        )

        return tag_aliases
