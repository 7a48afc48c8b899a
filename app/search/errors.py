"""Errors of searches."""

from app.core.errors import BadRequest


class InvalidQuery(BadRequest):
    """The query does not parse. `expected` is a text that is valid at the place of the error.

    The place is the `position` in a text, a 0-based character; in a JSON body, a `pointer` (RFC 6901).
    """

    slug, title = "invalid-query", "Invalid query"
    description = "The query has a syntax error."

    def __init__(self, detail: str, place: int | str, expected: str, did_you_mean: str | None = None) -> None:
        extras = {"did_you_mean": did_you_mean} if did_you_mean else {}
        where = {"pointer": place} if isinstance(place, str) else {"position": place}
        super().__init__(detail, **where, expected=expected, **extras)


class QueryTooBroad(BadRequest):
    slug, title = "query-too-broad", "Query too broad"
    description = "The query covers more tags or images than the limit."
