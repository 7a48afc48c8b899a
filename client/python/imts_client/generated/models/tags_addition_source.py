from enum import StrEnum


class TagsAdditionSource(StrEnum):
    HAND = "hand"
    SUGGESTION = "suggestion"

    def __str__(self) -> str:
        return str(self.value)
