from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.audit_action import AuditAction

if TYPE_CHECKING:
    from ..models.audit_read_after_type_0 import AuditReadAfterType0
    from ..models.audit_read_before_type_0 import AuditReadBeforeType0


T = TypeVar("T", bound="AuditRead")


@_attrs_define
class AuditRead:
    """An administrative action. `before` and `after` have the changed members only, and never a secret.

    `actor` is null for an action of a command or of the service. `object` is the path of the changed resource.

        Attributes:
            at (datetime.datetime):
            actor (None | UUID): The id of the account that acted
            action (AuditAction): The actions that the audit trail records. `images.*` are bulk changes.
            object_ (str):
            before (AuditReadBeforeType0 | None):
            after (AuditReadAfterType0 | None):
            request_id (None | str):
    """

    at: datetime.datetime
    actor: None | UUID
    action: AuditAction
    object_: str
    before: AuditReadBeforeType0 | None
    after: AuditReadAfterType0 | None
    request_id: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.audit_read_after_type_0 import AuditReadAfterType0
        from ..models.audit_read_before_type_0 import AuditReadBeforeType0

        at = self.at.isoformat()

        actor: None | str
        if isinstance(self.actor, UUID):
            actor = str(self.actor)
        else:
            actor = self.actor

        action = self.action.value

        object_ = self.object_

        before: dict[str, Any] | None
        if isinstance(self.before, AuditReadBeforeType0):
            before = self.before.to_dict()
        else:
            before = self.before

        after: dict[str, Any] | None
        if isinstance(self.after, AuditReadAfterType0):
            after = self.after.to_dict()
        else:
            after = self.after

        request_id: None | str
        request_id = self.request_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "at": at,
                "actor": actor,
                "action": action,
                "object": object_,
                "before": before,
                "after": after,
                "request_id": request_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.audit_read_after_type_0 import AuditReadAfterType0
        from ..models.audit_read_before_type_0 import AuditReadBeforeType0

        d = dict(src_dict)
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

        action = AuditAction(d.pop("action"))

        object_ = d.pop("object")

        def _parse_before(data: object) -> AuditReadBeforeType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                before_type_0 = AuditReadBeforeType0.from_dict(data)

                return before_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(AuditReadBeforeType0 | None, data)

        before = _parse_before(d.pop("before"))

        def _parse_after(data: object) -> AuditReadAfterType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                after_type_0 = AuditReadAfterType0.from_dict(data)

                return after_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(AuditReadAfterType0 | None, data)

        after = _parse_after(d.pop("after"))

        def _parse_request_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        request_id = _parse_request_id(d.pop("request_id"))

        audit_read = cls(
            at=at,
            actor=actor,
            action=action,
            object_=object_,
            before=before,
            after=after,
            request_id=request_id,
        )

        audit_read.additional_properties = d
        return audit_read

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
