from enum import StrEnum


class UploadImageBodyOnConflict(StrEnum):
    ERROR = "error"
    RENAME = "rename"

    def __str__(self) -> str:
        return str(self.value)
