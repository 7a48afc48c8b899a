"""The images of a grid, with the attributes that their HTML has. In Python they take half the time of a template."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.models.image import Visibility
from app.search.strategies.row import ImageRow

# Of `gallery.css`, in pixels: the least heights of a row, the gap, and the width of the grid on a phone.
HEIGHT, PHONE_HEIGHT, GAP, PHONE_WIDTH = 220, 118, 6, 370
THUMBNAILS = (320, 640)
# Images that the browser requests before the scripts, and those that it requests before it has scrolled.
URGENT, EAGER = 8, 12


class ImageTile(NamedTuple):
    """An image of a grid. `shape` is the class of its ratio; `path` is that of its files.

    `sources` and `sizes` are the candidates of `srcset` and the width of the image in the grid.
    """

    shape: str
    href: str
    path: str
    sources: str
    sizes: str
    width: int
    height: int
    text: str
    is_private: bool
    is_urgent: bool
    is_lazy: bool


def list_tiles(prefix: str, images: Sequence[ImageRow], context: str) -> Iterator[ImageTile]:
    """Yield the tiles of images. `context` is the query string of the links."""
    for place, image in enumerate(images):
        path, ratio = file_path(prefix, image), display_ratio(image)
        yield ImageTile(
            f"r{10 * ratio:.0f}",
            f"{prefix}/i/{image.id}{context}",
            path,
            source_set(path, image, THUMBNAILS),
            f"(max-width: 640px) {100 // _images_in_row(ratio)}vw, {HEIGHT * ratio:.0f}px",
            image.width,
            image.height,
            ", ".join(image.tags) or image.name,
            image.visibility == Visibility.PRIVATE,
            place < URGENT,
            place >= EAGER,
        )


def display_ratio(image: ImageRow) -> float:
    """Return width by height, within the limits of a row of the grid."""
    return min(max(image.width / image.height, 0.4), 4)


def _images_in_row(ratio: float) -> int:
    """Return the number of images of this ratio in a row of a phone."""
    return max(1, int((PHONE_WIDTH + GAP) / (PHONE_HEIGHT * ratio + GAP)))


def file_path(prefix: str, image: ImageRow) -> str:
    """Return the path of an image in public caches, or of one that only the cookie of the session shows."""
    return f"{prefix}{'/i' if image.visibility == Visibility.PRIVATE else '/v1/images'}/{image.id}"


def source_set(path: str, image: ImageRow, sizes: Sequence[int]) -> str:
    """Return the thumbnails with their widths in pixels, without sizes that show no more than smaller ones."""
    longest = max(image.width, image.height)
    widths = {max(1, round(image.width * min(1, size / longest))): size for size in reversed(sizes)}
    return ", ".join(f"{path}/thumbnail?size={size} {width}w" for width, size in reversed(widths.items()))
