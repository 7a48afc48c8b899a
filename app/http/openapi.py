"""What the OpenAPI document says beyond the routes."""

from fastapi.routing import APIRoute

DESCRIPTION = """
Stores images and finds them by their tags.

* **Errors** are RFC 9457 problem documents (`application/problem+json`) with the request's id.
* **Lists** take `limit` and an opaque `cursor`, and tell the next page in `next_cursor` and a `Link` header.
* **Authentication**: `Authorization: Bearer <access token>`; the Authorize button takes e-mail and password.
* Every answer has an `X-Request-ID`; a sane incoming one is kept.
"""

TAGS = [
    {"name": "users", "description": "Accounts."},
    {"name": "auth", "description": "Access and refresh tokens."},
    {"name": "images", "description": "Upload, find, fetch, tag and delete images."},
    {"name": "tags", "description": "The vocabulary."},
    {"name": "operations", "description": "Health."},
]


def operation_id(route: APIRoute) -> str:
    """Name the operation as the function that serves it: `upload_image`."""
    return route.name
