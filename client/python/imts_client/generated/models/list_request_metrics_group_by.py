from enum import StrEnum


class ListRequestMetricsGroupBy(StrEnum):
    ROUTE = "route"
    STATUS = "status"
    USER = "user"

    def __str__(self) -> str:
        return str(self.value)
