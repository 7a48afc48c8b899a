from enum import StrEnum


class SimilarityKind(StrEnum):
    BYTES = "bytes"
    NEAR = "near"
    PIXELS = "pixels"

    def __str__(self) -> str:
        return str(self.value)
