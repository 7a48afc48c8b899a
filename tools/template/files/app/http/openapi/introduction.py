"""The introduction of the OpenAPI document: its description and its tags, in their order."""

DESCRIPTION = """
Stores notes.

* **Errors** are RFC 9457 problem documents (`application/problem+json`) with the request id.
* **Lists** take `limit` and an opaque `cursor`. `next_cursor` and a `Link` header lead to the next page.
* **Query parameters** are strict: an unknown one, or a single-valued one given twice, is 422 `validation-error`.
* Every response has an `X-Request-ID`. A valid id of the request is kept.
"""

TAGS = [
    {"name": "notes", "description": "Create, read and delete notes."},
    {"name": "operations", "description": "Health and metrics."},
]
