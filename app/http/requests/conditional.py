"""Entity tags, dates and conditional requests (RFC 9110, section 13)."""

import hashlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel
from starlette.datastructures import Headers

from app.core.errors import PreconditionFailed

# RFC 9110, 8.8.3.
_ENTITY_TAG = re.compile(r'(?:W/)?"[^"\x00-\x20\x7f]*"')
# RFC 9110, 5.6.7: the current form, that of RFC 850 and that of asctime.
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"
    r"|[A-Z][a-z]{5,8}, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9:]{8} GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}"
)
# Part of the `responses` of endpoints that support `If-None-Match`.
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The client already has the current version."}}


def entity_tag(entity: BaseModel) -> str:
    """Return the strong entity tag of a resource's JSON."""
    return tag_of(entity.model_dump_json().encode())


def tag_of(body: bytes) -> str:
    """Return the strong entity tag of a body."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def full_response(entity: BaseModel, cache_control: str = "no-cache") -> Response:
    """Return the JSON of a resource with a strong entity tag. The cache adds the 304 of endpoints marked `cached`."""
    body = entity.model_dump_json().encode()
    return Response(body, headers={"ETag": tag_of(body), "Cache-Control": cache_control}, media_type="application/json")


def entity_response(request: Request, entity: BaseModel, cache_control: str = "no-cache") -> Response:
    """Return the JSON of a resource with a strong entity tag, or 304 if the client already has it."""
    response = full_response(entity, cache_control)
    if matches(request.headers.get("if-none-match"), response.headers["ETag"]):
        headers = {name: response.headers[name] for name in ("ETag", "Cache-Control")}
        return Response(status_code=304, headers=headers)
    return response


def require_match(request: Request, entity: BaseModel) -> None:
    """Raise PreconditionFailed if `If-Match` does not list the current entity tag of the resource."""
    header = request.headers.get("if-match")
    if header is not None and not _listed(header) & {"*", entity_tag(entity)}:
        raise PreconditionFailed


def matches(header: str | None, etag: str) -> bool:
    """Return whether an If-None-Match header lists this entity tag (weak comparison)."""
    if header is None:
        return False
    return not {tag.removeprefix("W/") for tag in _listed(header)}.isdisjoint(("*", etag))


def check_preconditions(headers: Headers, etag: str, modified: datetime) -> bool:
    """Evaluate the conditions of a read in the order of section 13.2.2; True means 304. Raises PreconditionFailed."""
    if (listed := headers.get("if-match")) is not None:
        if not _listed(listed) & {"*", etag}:
            raise PreconditionFailed
    elif (since := _date(headers.get("if-unmodified-since"))) and modified.replace(microsecond=0) > since:
        raise PreconditionFailed
    if (listed := headers.get("if-none-match")) is not None:
        return matches(listed, etag)
    since = _date(headers.get("if-modified-since"))
    return since is not None and modified.replace(microsecond=0) <= since


def range_applies(headers: Headers, etag: str, modified: datetime) -> bool:
    """Return whether If-Range is missing or names this representation, by strong tag or exact date."""
    condition = headers.get("if-range")
    if condition is None:
        return True
    return condition.strip() in (etag, http_date(modified))


def http_date(moment: datetime) -> str:
    """Return the time in the format of HTTP, in whole seconds."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _listed(header: str) -> set[str]:
    """Return the entity tags of a list, or `*` alone. A comma within a tag does not end it."""
    return {"*"} if header.strip() == "*" else set(_ENTITY_TAG.findall(header))


def _date(header: str | None) -> datetime | None:
    """Parse a date in one of the three HTTP formats; None for other values (RFC 9110, 13.1.3 and 13.1.4)."""
    if header is None or not _HTTP_DATE.fullmatch(header):
        return None
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        # The day or the hour does not exist.
        return None
    return moment.replace(tzinfo=UTC)
