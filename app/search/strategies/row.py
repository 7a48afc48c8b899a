"""The row of an image in a search result."""

import uuid
from datetime import datetime
from typing import NamedTuple

from app.models.image import Visibility


class ImageRow(NamedTuple):
    """An image with its sorted tags. The fields are columns of `images`."""

    id: uuid.UUID
    name: str
    content_type: str
    size: int
    width: int
    height: int
    taken_at: datetime | None
    taken_at_offset: int | None
    camera: str | None
    sha256: bytes
    visibility: Visibility
    uploaded_by: uuid.UUID | None
    created_at: datetime
    pixels: int
    tag_count: int
    tags: list[str]


TAG_NAMES = "ARRAY(SELECT tags.name FROM tags WHERE tags.id = ANY(images.tag_ids) ORDER BY tags.name)"
# The select list of an ImageRow, from `images`.
IMAGE_COLUMNS = f"{', '.join(ImageRow._fields[:-1])}, {TAG_NAMES}"
