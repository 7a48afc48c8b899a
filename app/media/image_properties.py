"""The properties of an image that a decoder measures."""

from dataclasses import dataclass
from typing import NamedTuple

from app.media.metadata.photo_metadata import NO_METADATA, PhotoMetadata

# Of the method in `app.media.hashing.perceptual_hash`: hashes of different versions are not compared.
HASH_VERSION = 1
# Of the method in `app.media.hashing.pixel_digest`.
PIXEL_VERSION = 1
HASH_BYTES = 32
MAX_QUALITY = 100


class Dimensions(NamedTuple):
    """Width and height in pixels, as displayed."""

    width: int
    height: int


class PerceptualHash(NamedTuple):
    """HASH_BYTES bytes, and a quality of 0 to MAX_QUALITY. A flat picture has a quality of 0."""

    bits: bytes
    quality: int


@dataclass(frozen=True, slots=True)
class ImageProperties:
    """The result of a check, of the upright picture.

    `dimensions` are in pixels. `perceptual_hash` is that of the first frame, by the method HASH_VERSION.
    """

    dimensions: Dimensions
    perceptual_hash: PerceptualHash
    metadata: PhotoMetadata = NO_METADATA
