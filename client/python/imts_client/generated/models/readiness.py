from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.readiness_status import ReadinessStatus

if TYPE_CHECKING:
    from ..models.readiness_dependencies import ReadinessDependencies
    from ..models.telemetry_state import TelemetryState


T = TypeVar("T", bound="Readiness")


@_attrs_define
class Readiness:
    """The state: `ok`, `degraded` (requests are served), `unavailable` or `draining` (the process is stopping).

    Attributes:
        status (ReadinessStatus):
        dependencies (ReadinessDependencies):
        telemetry (TelemetryState): The number of request records of this worker that wait in memory, wait on disk, and
            were dropped.
    """

    status: ReadinessStatus
    dependencies: ReadinessDependencies
    telemetry: TelemetryState
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        dependencies = self.dependencies.to_dict()

        telemetry = self.telemetry.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "dependencies": dependencies,
                "telemetry": telemetry,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.readiness_dependencies import ReadinessDependencies
        from ..models.telemetry_state import TelemetryState

        d = dict(src_dict)
        status = ReadinessStatus(d.pop("status"))

        dependencies = ReadinessDependencies.from_dict(d.pop("dependencies"))

        telemetry = TelemetryState.from_dict(d.pop("telemetry"))

        readiness = cls(
            status=status,
            dependencies=dependencies,
            telemetry=telemetry,
        )

        readiness.additional_properties = d
        return readiness

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
