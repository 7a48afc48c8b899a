from enum import StrEnum


class ListTagsSort(StrEnum):
    COUNT = "count"
    NAME = "name"

    def __str__(self) -> str:
        return str(self.value)
