"""The target of an alias stays unchanged unless a request names it."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.accounts import Account
from tests.tags.helpers import counts_of, read, upload

pytestmark = pytest.mark.integration


@pytest.fixture
async def image(user: Account, admin: Account) -> dict[str, Any]:
    image = await upload(user, "cat", "dog")
    response = await admin.client.put("/v1/tags/cat/aliases", json={"aliases": ["kitty", "puss"]})
    assert response.status_code == 200
    return image


async def test_f51_deleting_an_alias_removes_the_alias_only(
    image: dict[str, Any], admin: Account, client: httpx.AsyncClient
) -> None:
    assert (await admin.client.delete("/v1/tags/kitty")).status_code == 204
    assert (await read(client, image["links"]["self"]))["tags"] == ["cat", "dog"]
    tag = await read(client, "/v1/tags/cat")
    assert (tag["images"], tag["aliases"]) == (1, ["puss"])
    assert (await client.get("/v1/tags/kitty")).status_code == 404
    assert (await admin.client.delete("/v1/tags/kitty")).status_code == 404
    assert (await admin.client.delete("/v1/tags/cat")).status_code == 204
    assert (await client.get("/v1/tags/puss")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/v1/tags/kitty", {"name": "tiger"}),
        ("POST", "/v1/tags/kitty/merge", {"into": "dog"}),
        ("POST", "/v1/tags/kitty/merge", {"into": "cat"}),
        ("PUT", "/v1/tags/kitty/aliases", {"aliases": []}),
        ("PUT", "/v1/tags/kitty/implications", {"implies": ["animal"]}),
    ],
)
async def test_f51_no_change_of_a_tag_goes_through_its_alias(
    image: dict[str, Any], admin: Account, sql: asyncpg.Connection, method: str, path: str, body: dict[str, Any]
) -> None:
    before = await sql.fetch("SELECT name, alias_of FROM tags WHERE name <> 'animal' ORDER BY name")
    response = await admin.client.request(method, path, json=body)
    document = response.json()
    assert (response.status_code, document["type"], document["alias_of"]) == (409, "/problems/tag-is-alias", "cat")
    assert await sql.fetch("SELECT name, alias_of FROM tags WHERE name <> 'animal' ORDER BY name") == before
    assert (await read(admin.client, image["links"]["self"]))["tags"] == ["cat", "dog"]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("add", "remove"), [(["kitty"], ["cat"]), (["cat"], ["kitty"]), (["kitty"], ["puss"]), (["new"], ["new"])]
)
async def test_f52_a_tag_is_not_added_and_removed_under_two_names(
    image: dict[str, Any], user: Account, add: list[str], remove: list[str], dry_run: bool
) -> None:
    body = {"q": "*", "add": add, "remove": remove, "dry_run": dry_run}
    response = await user.client.post("/v1/images/tags", json=body)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "remove"])
    assert (await read(user.client, image["links"]["self"]))["tags"] == ["cat", "dog"]


@pytest.mark.parametrize("q", ["", " ", "\u2003 "])
async def test_f50_an_empty_query_selects_no_images_for_a_change(
    image: dict[str, Any], user: Account, admin: Account, q: str
) -> None:
    for account in (user, admin):
        for dry_run in (False, True):
            body = {"q": q, "add": ["x"], "dry_run": dry_run}
            assert (await account.client.post("/v1/images/tags", json=body)).status_code == 422
    assert (await read(user.client, image["links"]["self"]))["tags"] == ["cat", "dog"]


async def test_f50_a_star_selects_all_images_that_the_caller_may_change(
    image: dict[str, Any],  # noqa: ARG001 - it is one of them
    user: Account,
    admin: Account,
    make_account: Any,
) -> None:
    await upload(user)
    await upload(await make_account(), "other")
    body = {"q": "*", "add": ["x"]}
    assert counts_of(await user.client.post("/v1/images/tags", json=body)) == (2, 2)
    assert counts_of(await admin.client.post("/v1/images/tags", json=body)) == (3, 1)
