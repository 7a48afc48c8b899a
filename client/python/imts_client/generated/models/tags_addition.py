from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.tags_addition_source import TagsAdditionSource
from ..types import UNSET, Unset

T = TypeVar("T", bound="TagsAddition")


@_attrs_define
class TagsAddition:
    """The tags to add, and where they come from: `suggestion` for accepted suggestions.

    Attributes:
        tags (list[str]):
        source (TagsAdditionSource | Unset): The `source` of the events in the history Default: TagsAdditionSource.HAND.
    """

    tags: list[str]
    source: TagsAdditionSource | Unset = TagsAdditionSource.HAND

    def to_dict(self) -> dict[str, Any]:
        tags = self.tags

        source: str | Unset = UNSET
        if not isinstance(self.source, Unset):
            source = self.source.value

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "tags": tags,
            }
        )
        if source is not UNSET:
            field_dict["source"] = source

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        tags = cast(list[str], d.pop("tags"))

        _source = d.pop("source", UNSET)
        source: TagsAdditionSource | Unset
        if isinstance(_source, Unset):
            source = UNSET
        else:
            source = TagsAdditionSource(_source)

        tags_addition = cls(
            tags=tags,
            source=source,
        )

        return tags_addition
