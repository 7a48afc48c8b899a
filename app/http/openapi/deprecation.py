"""Announces deprecated routes: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) on their responses.

The 401 of an invalid credential comes before the route, without these headers.

    @router.get("/old", **deprecated(since=date(2026, 12, 1), sunset=date(2027, 6, 1), successor="/v1/new"))

The declaration is in the OpenAPI document. There, `deprecated`, `x-deprecated-since` and `x-sunset` describe it, and
`tools.compatibility` permits the removal of the operation after the sunset.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any, TypedDict

from app.http.requests.conditional import http_date

SINCE, SUNSET, SUCCESSOR = "x-deprecated-since", "x-sunset", "x-successor"


class Declaration(TypedDict):
    """The arguments of a route's decorator."""

    deprecated: bool
    openapi_extra: dict[str, Any]


def deprecated(since: date, sunset: date | None = None, successor: str | None = None) -> Declaration:
    """Return the arguments of a deprecated route. The route is removed after the sunset, at the earliest.

    `successor` is the path that replaces it. Raises ValueError if the sunset precedes the deprecation.
    """
    if sunset is not None and sunset < since:
        raise ValueError("the sunset must not precede the deprecation")  # RFC 9745, 4
    extra = {SINCE: since.isoformat(), SUNSET: sunset and sunset.isoformat(), SUCCESSOR: successor}
    return {"deprecated": True, "openapi_extra": {name: value for name, value in extra.items() if value is not None}}


def deprecation_headers(extra: Mapping[str, Any], path_prefix: str) -> dict[str, str]:
    """Return the headers for the `openapi_extra` of a deprecated route; `Link` with a successor only."""
    headers = {"Deprecation": f"@{int(_midnight(extra[SINCE]).timestamp())}"}
    if SUNSET in extra:
        headers["Sunset"] = http_date(_midnight(extra[SUNSET]))
    if SUCCESSOR in extra:
        headers["Link"] = f'<{path_prefix}{extra[SUCCESSOR]}>; rel="successor-version"'
    return headers


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)
