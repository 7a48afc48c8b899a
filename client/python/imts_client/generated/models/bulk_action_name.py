from enum import StrEnum


class BulkActionName(StrEnum):
    DELETE = "delete"
    RESTORE = "restore"
    SET_VISIBILITY = "set_visibility"

    def __str__(self) -> str:
        return str(self.value)
