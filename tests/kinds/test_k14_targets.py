"""K14: a change whose target is an alias, a dot segment or nothing changes nothing else.

The operations are those of the OpenAPI document; requests are sent byte by byte, since clients rewrite paths.
"""

import json
from typing import Any

import asyncpg
import pytest

from tests.support.accounts import Account
from tests.support.openapi import DOCUMENT
from tests.support.raw_http import raw_connection
from tests.support.server import RunningService
from tests.tags.helpers import upload

pytestmark = pytest.mark.integration

# The body of a successful change for each operation; an operation that is missing here fails.
BODIES: dict[tuple[str, str], dict[str, Any] | None] = {
    ("PATCH", "/v1/images/{image_id}"): {"name": "renamed.png", "visibility": "private"},
    ("DELETE", "/v1/images/{image_id}"): None,
    ("PUT", "/v1/images/{image_id}/tags"): {"tags": []},
    ("POST", "/v1/trash/{image_id}/restore"): {"name": "restored.png"},
    ("DELETE", "/v1/trash/{image_id}"): None,
    ("POST", "/v1/images/{image_id}/tags"): {"tags": ["new"]},
    ("DELETE", "/v1/images/{image_id}/tags/{tag}"): None,
    ("PATCH", "/v1/tags/{name}"): {"name": "renamed"},
    ("DELETE", "/v1/tags/{name}"): None,
    ("POST", "/v1/tags/{name}/merge"): {"into": "dog"},
    ("PUT", "/v1/tags/{name}/aliases"): {"aliases": []},
    ("PUT", "/v1/tags/{name}/implications"): {"implies": ["dog"]},
}
CHANGES = sorted(
    (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    if path.startswith(("/v1/images/{", "/v1/tags/{", "/v1/trash/{"))
    for method in item
    if method in ("post", "put", "patch", "delete")
)
SEGMENTS = ["..", "%2e%2e", "%2E.", ".", "%2e", "", "%20", "*", "..%2f..", "kitty", "KITTY", "%E2%80%8B"]
# An alias names its tag where tags of one image are meant: `kitty` stands for `cat`, as when it is added.
RESOLVES_ALIASES = ("DELETE", "/v1/images/{image_id}/tags/{tag}")
SNAPSHOT = """
    SELECT 'image ' || id || ' ' || name || visibility || tag_ids::text FROM images
    UNION ALL SELECT 'trashed ' || id || ' ' || name FROM trashed_images
    UNION ALL SELECT 'tag ' || name || coalesce(alias_of, 0) FROM tags WHERE name <> 'kitty'
    UNION ALL SELECT 'implication ' || tag_id || ' ' || implied_tag_id FROM tag_implications ORDER BY 1"""


@pytest.fixture
async def image(user: Account, admin: Account) -> dict[str, Any]:
    image = await upload(user, "cat", "dog")
    trashed = await upload(user)
    assert (await user.client.delete(trashed["links"]["self"])).status_code == 204
    response = await admin.client.put("/v1/tags/cat/aliases", json={"aliases": ["kitty", "puss"]})
    assert response.status_code == 200
    return image


def test_k14_every_change_of_a_named_target_is_tried() -> None:
    assert set(BODIES) == set(CHANGES)


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_k14_an_alias_a_dot_segment_or_nothing_changes_nothing_else(
    image: dict[str, Any], service: RunningService, admin: Account, sql: asyncpg.Connection, method: str, path: str
) -> None:
    before = [tuple(row) for row in await sql.fetch(SNAPSHOT)]
    body = BODIES[method, path]
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {admin.access_token}", "Content-Length": str(len(content))}
    if body is not None:
        headers["Content-Type"] = "application/json"
    own = {"image_id": image["id"], "tag": "cat", "name": "cat"}
    for parameter in (name for name in own if f"{{{name}}}" in path):
        for segment in SEGMENTS:
            if (method, path) == RESOLVES_ALIASES and segment.lower() == "kitty":
                continue
            target = path.format_map({**own, parameter: segment})
            async with raw_connection(service.url) as connection:
                await connection.begin(method, target, headers)
                await connection.send(content)
                status = (await connection.read_response()).status
            is_alias = (method, path, segment.lower()) == ("DELETE", "/v1/tags/{name}", "kitty")
            assert 400 <= status < 500 or is_alias, target
            assert [tuple(row) for row in await sql.fetch(SNAPSHOT)] == before, target


@pytest.mark.parametrize(
    "selector",
    [{}, {"q": ""}, {"q": " "}, {"q": None}, {"q": "\u00a0"}, {"ids": None}, {"ids": []}, {"q": "", "ids": []}],
)
async def test_k14_an_empty_selector_changes_nothing(
    image: dict[str, Any],  # noqa: ARG001 - it is there to be changed
    admin: Account,
    sql: asyncpg.Connection,
    selector: dict[str, Any],
) -> None:
    before = await sql.fetch(SNAPSHOT)
    for path, change in (("tags", {"add": ["x"], "remove": ["cat"]}), ("bulk", {"action": "delete"})):
        response = await admin.client.post(f"/v1/images/{path}", json={**selector, **change})
        assert response.status_code == 422 or (response.json()["matched"], response.json()["changed"]) == (0, 0)
    assert await sql.fetch("SELECT * FROM tagged JOIN tags ON id = tag WHERE name = 'x'") == []
    assert [row for row in await sql.fetch(SNAPSHOT) if row[0] != "tag x0"] == before
