from enum import StrEnum


class ListImagesCount(StrEnum):
    ESTIMATE = "estimate"
    EXACT = "exact"
    NONE = "none"

    def __str__(self) -> str:
        return str(self.value)
