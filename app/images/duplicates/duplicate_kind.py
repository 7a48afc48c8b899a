"""The kinds of duplicates."""

from enum import StrEnum


class DuplicateKind(StrEnum):
    """How the images of a group are duplicates: the same file."""

    BYTES = "bytes"
