"""The path of an image in the API."""

import uuid


def image_path(image_id: uuid.UUID) -> str:
    """Return the path of an image."""
    return f"/v1/images/{image_id}"
