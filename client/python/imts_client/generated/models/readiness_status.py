from enum import StrEnum


class ReadinessStatus(StrEnum):
    DEGRADED = "degraded"
    DRAINING = "draining"
    OK = "ok"
    UNAVAILABLE = "unavailable"

    def __str__(self) -> str:
        return str(self.value)
