from enum import StrEnum


class FacetListBy(StrEnum):
    CAMERA = "camera"
    MONTH = "month"
    TAG = "tag"
    TYPE = "type"
    UPLOADER = "uploader"
    YEAR = "year"

    def __str__(self) -> str:
        return str(self.value)
