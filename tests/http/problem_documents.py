"""Assertions on problem documents."""

from typing import Any

import httpx


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check that a response is this problem, and return its document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == response.headers["x-request-id"]
    return document
