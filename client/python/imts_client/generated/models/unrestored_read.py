from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.unrestored_reason import UnrestoredReason

T = TypeVar("T", bound="UnrestoredRead")


@_attrs_define
class UnrestoredRead:
    """A part of the reverted changes that stays as it is.

    It is the tag of the image `image`, the alias `alias` of the tag, its implication of `implies`, or the tag itself.

    | reason | |
    |---|---|
    | `tag-exists` | another tag has the name of the tag or of the alias |
    | `tag-not-found` | one of the two tags was deleted |
    | `tag-renamed` | the tag was renamed or merged again |
    | `implication-cycle` | the tags would imply each other |
    | `too-many-tags` | the image would have more than 100 tags |

        Attributes:
            tag (str):
            image (None | str):
            alias (None | str):
            implies (None | str):
            reason (UnrestoredReason): The reason why a revert does not restore a part of a change.
    """

    tag: str
    image: None | str
    alias: None | str
    implies: None | str
    reason: UnrestoredReason
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        tag = self.tag

        image: None | str
        image = self.image

        alias: None | str
        alias = self.alias

        implies: None | str
        implies = self.implies

        reason = self.reason.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "tag": tag,
                "image": image,
                "alias": alias,
                "implies": implies,
                "reason": reason,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        tag = d.pop("tag")

        def _parse_image(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        image = _parse_image(d.pop("image"))

        def _parse_alias(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        alias = _parse_alias(d.pop("alias"))

        def _parse_implies(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        implies = _parse_implies(d.pop("implies"))

        reason = UnrestoredReason(d.pop("reason"))

        unrestored_read = cls(
            tag=tag,
            image=image,
            alias=alias,
            implies=implies,
            reason=reason,
        )

        unrestored_read.additional_properties = d
        return unrestored_read

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
