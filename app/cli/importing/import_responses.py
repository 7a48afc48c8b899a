"""Reads the service's responses."""

import re
from json import JSONDecodeError
from typing import Any

import httpx


class RequestFailed(Exception):
    """One request failed. `slug` is that of the problem document; without a response, both fields are None."""

    def __init__(self, reason: str, response: httpx.Response | None = None) -> None:
        super().__init__(reason)
        self.status = None if response is None else response.status_code
        self.slug = None if response is None else _slug(response)
        self.retry_after = None if response is None else response.headers.get("Retry-After")


def expect(response: httpx.Response, *statuses: int) -> httpx.Response:
    """Return the response. Raises RequestFailed if it has none of these statuses."""
    if response.status_code not in statuses:
        raise RequestFailed(problem_detail(response), response)
    return response


def expect_json(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the body of a response that has this status. Raises RequestFailed."""
    body = json_object(expect(response, status))
    if not body:
        raise RequestFailed(problem_detail(response), response)
    return body


def problem_detail(response: httpx.Response) -> str:
    """Return the reason that the problem document has, or the status."""
    return str(json_object(response).get("detail") or f"The server responded with status {response.status_code}.")


def json_object(response: httpx.Response) -> dict[str, Any]:
    """Return the body; an empty one if it is no JSON object."""
    try:
        body = response.json()
    except (JSONDecodeError, UnicodeDecodeError):
        return {}
    return body if isinstance(body, dict) else {}


def _slug(response: httpx.Response) -> str | None:
    """Return the last part of the type: `/problems/<slug>`, or a registered type of IANA with `#<slug>`."""
    body = json_object(response)
    return re.split("[/#]", str(body["type"]))[-1] if "type" in body else None
