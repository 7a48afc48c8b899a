"""Entity tags and conditional requests (RFC 9110, section 13)."""

import hashlib

from fastapi import Request, Response
from pydantic import BaseModel


def entity_response(request: Request, entity: BaseModel) -> Response:
    """Answer a read of one resource: its JSON with a strong entity tag, or 304 when the client has it already."""
    body = entity.model_dump_json().encode()
    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def matches(header: str | None, etag: str) -> bool:
    """Tell whether an If-None-Match header lists this entity tag (weak comparison)."""
    if header is None:
        return False
    listed = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in listed or etag in listed
