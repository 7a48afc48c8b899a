from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="TermRead")


@_attrs_define
class TermRead:
    """A term of the query. `position` is its 0-based character in `q`, without the sign of a negation.

    Attributes:
        term (str):
        position (int):
        images (int | None): The number of visible images; null if it takes too long to count
        aliases (list[str]): The aliases of the tag; of a wildcard, those that match
        expanded (list[str]): The tags that an alias or a wildcard stands for
        truncated (bool): Whether `expanded` is cut at 100 tags
    """

    term: str
    position: int
    images: int | None
    aliases: list[str]
    expanded: list[str]
    truncated: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        term = self.term

        position = self.position

        images: int | None
        images = self.images

        aliases = self.aliases

        expanded = self.expanded

        truncated = self.truncated

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "term": term,
                "position": position,
                "images": images,
                "aliases": aliases,
                "expanded": expanded,
                "truncated": truncated,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        term = d.pop("term")

        position = d.pop("position")

        def _parse_images(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        images = _parse_images(d.pop("images"))

        aliases = cast(list[str], d.pop("aliases"))

        expanded = cast(list[str], d.pop("expanded"))

        truncated = d.pop("truncated")

        term_read = cls(
            term=term,
            position=position,
            images=images,
            aliases=aliases,
            expanded=expanded,
            truncated=truncated,
        )

        term_read.additional_properties = d
        return term_read

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
