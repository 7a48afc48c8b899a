from enum import StrEnum


class UnrestoredReason(StrEnum):
    IMPLICATION_CYCLE = "implication-cycle"
    TAG_EXISTS = "tag-exists"
    TAG_NOT_FOUND = "tag-not-found"
    TAG_RENAMED = "tag-renamed"
    TOO_MANY_TAGS = "too-many-tags"

    def __str__(self) -> str:
        return str(self.value)
