"""The keys of an image's objects in the store. All but those of tail objects derive from the key of the original."""

import uuid

ORIGINALS = "originals/"
THUMBNAILS = "thumbnails/"
STRIPPED = "stripped/"
TAILS = "uploads/"
# Part of the entity tag: raise it when thumbnails are made in another way.
THUMBNAIL_VERSION = 2
THUMBNAIL_SIZES = (160, 320, 640, 1280)


def new_original_key() -> str:
    """Return a key that nothing has ever had."""
    return f"{ORIGINALS}{uuid.uuid4()}"


def new_tail_key() -> str:
    """Return a key for bytes of an upload that are not a part of its object yet."""
    return f"{TAILS}{uuid.uuid4()}"


def thumbnail_key(original: str, size: int) -> str:
    """Return the key of the thumbnail of this size."""
    return f"{THUMBNAILS}{original.removeprefix(ORIGINALS)}/{size}-{THUMBNAIL_VERSION}.webp"


def stripped_key(original: str) -> str:
    """Return the key of the same file without its metadata."""
    return f"{STRIPPED}{original.removeprefix(ORIGINALS)}"


def object_keys(original: str) -> list[str]:
    """Return the keys of an original and of everything that may have been made of it."""
    return [original, *rendition_keys(original)]


def rendition_keys(original: str) -> list[str]:
    """Return the keys of everything that may have been made of an original."""
    # Those of version 1, too: an image that is older than version 2 can have them.
    first = [f"{THUMBNAILS}{original.removeprefix(ORIGINALS)}/{size}.webp" for size in THUMBNAIL_SIZES]
    return [stripped_key(original), *(thumbnail_key(original, size) for size in THUMBNAIL_SIZES), *first]


def original_of(key: str) -> str:
    """Return the key of the original that an object is, or was made of."""
    if key.startswith(THUMBNAILS):
        return ORIGINALS + key.removeprefix(THUMBNAILS).rpartition("/")[0]
    if key.startswith(STRIPPED):
        return ORIGINALS + key.removeprefix(STRIPPED)
    return key
