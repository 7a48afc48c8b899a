"""The application with default settings, its OpenAPI document, and the comparison of responses with the document."""

from typing import Any

import httpx

from app.core.settings import Settings
from app.main import create_app

# Building these takes half a second and a second, so all tests share them.
APP = create_app(Settings(_env_file=None, app_env="development"))
DOCUMENT = APP.openapi()

# The headers that the document must declare. Others belong to the protocol or are the same everywhere.
DECLARED_HEADERS = frozenset(
    {
        *("accept-ranges", "content-disposition", "content-range", "etag", "last-modified", "link", "location"),
        *("ratelimit-limit", "ratelimit-policy", "ratelimit-remaining", "ratelimit-reset", "ratelimit", "retry-after"),
        *("deprecation", "sunset", "www-authenticate", "x-request-id"),
    }
)


def undocumented(document: dict[str, Any], method: str, path: str, received: httpx.Response) -> list[str]:
    """Return the status, the problem and the headers of a response that its operation does not document."""
    responses = document["paths"][path][method.lower()]["responses"]
    response = responses.get(str(received.status_code))
    if response is None:
        return [f"status {received.status_code}"]
    declared = {name.lower() for name in response.get("headers", ())}
    wrong = [f"header {name}" for name in received.headers if name in DECLARED_HEADERS - declared]
    if received.headers.get("content-type") == "application/problem+json":
        slug = received.json()["type"].removeprefix("/problems/")
        if slug not in response["content"]["application/problem+json"]["examples"]:
            wrong.append(f"problem {slug}")
    return wrong
