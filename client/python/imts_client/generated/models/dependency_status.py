from enum import StrEnum


class DependencyStatus(StrEnum):
    DOWN = "down"
    READ_ONLY = "read-only"
    UP = "up"

    def __str__(self) -> str:
        return str(self.value)
