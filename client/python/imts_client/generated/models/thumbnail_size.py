from enum import IntEnum


class ThumbnailSize(IntEnum):
    VALUE_160 = 160
    VALUE_320 = 320
    VALUE_640 = 640
    VALUE_1280 = 1280

    def __str__(self) -> str:
        return str(self.value)
