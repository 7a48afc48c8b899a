from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="TagsCreate")


@_attrs_define
class TagsCreate:
    """The names of tags. They are stored in NFC and case-folded, with single spaces.

    A name has 1 to 64 characters: letters of any script with their marks, digits, spaces and `_ - . : ( ) ' & ! + ~ #`.
    It does not start with `-` or `~`, and is not `.`, `..`, `or`, `and` or `not`. Invisible characters are refused.

        Attributes:
            names (list[str]):
    """

    names: list[str]

    def to_dict(self) -> dict[str, Any]:
        names = self.names

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "names": names,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        names = cast(list[str], d.pop("names"))

        tags_create = cls(
            names=names,
        )

        return tags_create
