from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="SuggestedTagRead")


@_attrs_define
class SuggestedTagRead:
    """A suggested tag. `votes` counts the visible images that vote for it.

    Attributes:
        tag (str):
        score (float):
        votes (int):
        because (list[str]): The paths of up to five images that vote: copies first, the nearest first
    """

    tag: str
    score: float
    votes: int
    because: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        tag = self.tag

        score = self.score

        votes = self.votes

        because = self.because

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "tag": tag,
                "score": score,
                "votes": votes,
                "because": because,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        tag = d.pop("tag")

        score = d.pop("score")

        votes = d.pop("votes")

        because = cast(list[str], d.pop("because"))

        suggested_tag_read = cls(
            tag=tag,
            score=score,
            votes=votes,
            because=because,
        )

        suggested_tag_read.additional_properties = d
        return suggested_tag_read

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
