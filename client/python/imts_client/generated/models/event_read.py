from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.event_read_change import EventReadChange
from ..models.tag_event_source import TagEventSource

T = TypeVar("T", bound="EventRead")


@_attrs_define
class EventRead:
    """A change of one tag of one image. `tag` is the name at the time of the change.

    `source` is `implied` if an implication changed the tag, else the kind of the operation. `suggestion` is an accepted
    suggestion. All events of a merge, rename, bulk edit, revert or deletion of a tag have its `batch`. `actor` is null
    without an account, or outside of a request.

        Attributes:
            id (int):
            at (datetime.datetime):
            actor (None | UUID): The id of the account that changed the tag
            image (str): The path of the image
            tag (str):
            change (EventReadChange):
            source (TagEventSource): The kind of operation that changed a tag of an image.
            batch (None | UUID):
            request_id (None | str):
    """

    id: int
    at: datetime.datetime
    actor: None | UUID
    image: str
    tag: str
    change: EventReadChange
    source: TagEventSource
    batch: None | UUID
    request_id: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        at = self.at.isoformat()

        actor: None | str
        if isinstance(self.actor, UUID):
            actor = str(self.actor)
        else:
            actor = self.actor

        image = self.image

        tag = self.tag

        change = self.change.value

        source = self.source.value

        batch: None | str
        if isinstance(self.batch, UUID):
            batch = str(self.batch)
        else:
            batch = self.batch

        request_id: None | str
        request_id = self.request_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "at": at,
                "actor": actor,
                "image": image,
                "tag": tag,
                "change": change,
                "source": source,
                "batch": batch,
                "request_id": request_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = d.pop("id")

        at = datetime.datetime.fromisoformat(d.pop("at"))

        def _parse_actor(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                actor_type_0 = UUID(data)

                return actor_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        actor = _parse_actor(d.pop("actor"))

        image = d.pop("image")

        tag = d.pop("tag")

        change = EventReadChange(d.pop("change"))

        source = TagEventSource(d.pop("source"))

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

        def _parse_request_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        request_id = _parse_request_id(d.pop("request_id"))

        event_read = cls(
            id=id,
            at=at,
            actor=actor,
            image=image,
            tag=tag,
            change=change,
            source=source,
            batch=batch,
            request_id=request_id,
        )

        event_read.additional_properties = d
        return event_read

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
