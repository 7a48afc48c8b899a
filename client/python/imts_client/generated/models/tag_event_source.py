from enum import StrEnum


class TagEventSource(StrEnum):
    BULK = "bulk"
    HAND = "hand"
    IMPLIED = "implied"
    MERGE = "merge"
    RENAME = "rename"
    REVERT = "revert"
    SUGGESTION = "suggestion"

    def __str__(self) -> str:
        return str(self.value)
