"""The introduction of the OpenAPI document: its description and its tags, in their order."""

DESCRIPTION = """
Stores images and finds them by their tags.

* **Errors** are RFC 9457 problem documents (`application/problem+json`) with the request id.
* **Lists** take `limit` and an opaque `cursor`. `next_cursor` and a `Link` header lead to the next page.
* **Authentication**: `Authorization: Bearer <access token>`; the Authorize button takes e-mail and password.
* **Query parameters** are strict: an unknown one, or a single-valued one given twice, is 422 `validation-error`.
* Every response has an `X-Request-ID`. A valid id of the request is kept.
"""

TAGS = [
    {"name": "users", "description": "Accounts."},
    {"name": "auth", "description": "Access and refresh tokens, social login."},
    {"name": "images", "description": "Upload, find, read, tag and delete images."},
    {"name": "uploads", "description": "Resumable uploads: tus 1.0.0 and Resumable Uploads for HTTP."},
    {"name": "tags", "description": "Tag names, aliases and implications."},
    {"name": "history", "description": "The changes of the tags of images."},
    {"name": "operations", "description": "Health, metrics and the request log."},
]
