"""The error of a request that the service refuses, from its problem document (RFC 9457)."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx

from .generated.types import Response

T = TypeVar("T")


class ApiError(Exception):
    """The service responded with another status than the operation needs.

    `slug` is the last part of the problem's type, such as `name-taken`; None if the response is no problem document.
    `problem` has all its members, also those of one type only.
    """

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.problem = _json_object(content)
        super().__init__(self.problem.get("detail") or f"The server responded with status {status}.")

    @classmethod
    def of(cls, response: httpx.Response) -> "ApiError":
        """Return the error of a response that was read."""
        return cls(response.status_code, response.headers, response.content)

    @property
    def slug(self) -> str | None:
        """The name of the problem. A type that IANA registers has it after `#`."""
        return re.split("[/#]", str(self.problem["type"]))[-1] if "type" in self.problem else None


def expect(response: Response[Any], model: type[T]) -> T:
    """Return the body of a response. Raises ApiError if it is another one, such as a problem."""
    if not isinstance(response.parsed, model):
        raise ApiError(response.status_code, response.headers, response.content)
    return response.parsed


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
