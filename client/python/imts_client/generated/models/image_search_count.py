from enum import StrEnum


class ImageSearchCount(StrEnum):
    ESTIMATE = "estimate"
    EXACT = "exact"
    NONE = "none"

    def __str__(self) -> str:
        return str(self.value)
