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
        *("www-authenticate", "x-request-id"),
    }
)


def untold(document: dict[str, Any], method: str, path: str, answer: httpx.Response) -> list[str]:
    """Return what an answer has that its operation in the document does not: status, problem, headers."""
    responses = document["paths"][path][method.lower()]["responses"]
    response = responses.get(str(answer.status_code))
    if response is None:
        return [f"status {answer.status_code}"]
    told = {name.lower() for name in response.get("headers", ())}
    wrong = [f"header {name}" for name in answer.headers if name in DECLARED_HEADERS - told]
    if answer.headers.get("content-type") == "application/problem+json":
        slug = answer.json()["type"].removeprefix("/problems/")
        if slug not in response["content"]["application/problem+json"]["examples"]:
            wrong.append(f"problem {slug}")
    return wrong
