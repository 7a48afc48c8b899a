"""An image as a search finds it."""

import uuid
from datetime import datetime
from typing import NamedTuple

from app.models.image import Visibility


class ImageRow(NamedTuple):
    """An image as a search finds it, with its sorted tags; the fields are the columns of `images`."""

    id: uuid.UUID
    name: str
    content_type: str
    size: int
    width: int
    height: int
    sha256: bytes
    visibility: Visibility
    uploaded_by: uuid.UUID | None
    created_at: datetime
    pixels: int
    tag_count: int
    tags: list[str]


TAG_NAMES = "ARRAY(SELECT tags.name FROM tags WHERE tags.id = ANY(images.tag_ids) ORDER BY tags.name)"
# What is selected of `images` for it.
IMAGE_COLUMNS = f"{', '.join(ImageRow._fields[:-1])}, {TAG_NAMES}"
