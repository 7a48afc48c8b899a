"""The paths of resources in the API."""

import uuid
from urllib.parse import quote


def user_path(user_id: uuid.UUID) -> str:
    """Return the path of an account."""
    return f"/v1/users/{user_id}"


def invitation_path(invitation_id: uuid.UUID) -> str:
    """Return the path of an invitation."""
    return f"/v1/users/invitations/{invitation_id}"


def image_path(image_id: uuid.UUID) -> str:
    """Return the path of an image."""
    return f"/v1/images/{image_id}"


def tag_path(name: str) -> str:
    """Return the path of a tag or an alias."""
    return f"/v1/tags/{quote(name, safe='')}"
