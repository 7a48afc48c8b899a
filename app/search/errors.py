"""Errors of searches."""

from app.core.errors import BadRequest


class InvalidQuery(BadRequest):
    """The query does not parse. `position` is a 0-based character, `expected` a text that is valid there."""

    slug, title = "invalid-query", "Invalid query"
    description = "The query has a syntax error."

    def __init__(self, detail: str, position: int, expected: str, did_you_mean: str | None = None) -> None:
        extras = {"did_you_mean": did_you_mean} if did_you_mean else {}
        super().__init__(detail, position=position, expected=expected, **extras)


class QueryTooBroad(BadRequest):
    slug, title = "query-too-broad", "Query too broad"
    description = "The query covers more tags or images than the limit."
