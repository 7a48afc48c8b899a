"""A client of Image-Tagged-System: a typed operation for each endpoint, and a thin layer over them.

`ImageClient` signs requests, repeats them while the service is busy, pages, and uploads resumably. `generated` has all
operations; `ImageClient.api` calls them, also from asyncio.
"""

from .api_error import ApiError, expect
from .authentication import PasswordAuth, TokenAuth
from .generated.models import ImageRead, Visibility
from .image_client import DigestMismatch, ImageClient
from .item_pages import iterate_items, iterate_items_async

__all__ = [
    "ApiError",
    "DigestMismatch",
    "ImageClient",
    "ImageRead",
    "PasswordAuth",
    "TokenAuth",
    "Visibility",
    "expect",
    "iterate_items",
    "iterate_items_async",
]
