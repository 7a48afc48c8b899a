from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="TagChanged")


@_attrs_define
class TagChanged:
    """A tag that was renamed, or that another was merged into. `batch` is the id of the change in the history.

    Attributes:
        name (str):
        images (int):
        aliases (list[str]):
        implies (list[str]): Directly implied tags
        created_at (datetime.datetime):
        batch (None | UUID):
        alias_of (None | str | Unset): The requested alias, if the request named one
    """

    name: str
    images: int
    aliases: list[str]
    implies: list[str]
    created_at: datetime.datetime
    batch: None | UUID
    alias_of: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        images = self.images

        aliases = self.aliases

        implies = self.implies

        created_at = self.created_at.isoformat()

        batch: None | str
        if isinstance(self.batch, UUID):
            batch = str(self.batch)
        else:
            batch = self.batch

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
                "batch": batch,
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

        def _parse_batch(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                batch_type_0 = UUID(data)

                return batch_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        batch = _parse_batch(d.pop("batch"))

        def _parse_alias_of(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        alias_of = _parse_alias_of(d.pop("alias_of", UNSET))

        tag_changed = cls(
            name=name,
            images=images,
            aliases=aliases,
            implies=implies,
            created_at=created_at,
            batch=batch,
            alias_of=alias_of,
        )

        tag_changed.additional_properties = d
        return tag_changed

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
