from typing import Any

import asyncpg
import httpx
import pytest

from app.authz.visibility import VisibilityScope
from app.db.database import Database
from app.tags.count_compaction import TagCountCompactor
from app.tags.repository import TagRepository
from tests.support.accounts import Account
from tests.support.counters import tallied
from tests.tags.helpers import assert_consistent, counts, counts_of, read, upload

pytestmark = pytest.mark.integration


async def put(account: Account, path: str, expected: int = 200, **body: Any) -> Any:
    response = await account.client.put(path, json=body)
    assert response.status_code == expected, response.text
    return response.json()


async def tags_of(account: Account, image: dict[str, Any]) -> list[str]:
    found: list[str] = (await read(account.client, image["links"]["self"]))["tags"]
    return found


async def test_an_alias_stands_for_its_tag(user: Account, admin: Account) -> None:
    image = await upload(user, "cat")
    assert (await put(admin, "/v1/tags/cat/aliases", aliases=["Kitty", "felis"]))["aliases"] == ["felis", "kitty"]
    found = await read(user.client, "/v1/tags/kitty")
    assert (found["name"], found["alias_of"], found["images"]) == ("cat", "cat", 1)
    assert (await upload(user, "kitty"))["tags"] == ["cat"]
    assert len((await read(user.client, "/v1/images", q="kitty -dog"))["items"]) == 2
    assert [tag["name"] for tag in (await read(user.client, "/v1/tags", prefix="kit"))["items"]] == ["cat"]
    assert (await put(admin, "/v1/tags/cat/aliases", aliases=["puss"]))["aliases"] == ["puss"]
    assert (await user.client.get("/v1/tags/kitty")).status_code == 404
    assert await tags_of(user, image) == ["cat"]


async def test_a_tag_in_use_becomes_no_alias(user: Account, admin: Account) -> None:
    await upload(user, "cat", "dog")
    response = await put(admin, "/v1/tags/cat/aliases", 409, aliases=["dog"])
    assert response["type"] == "/problems/tag-exists"
    await put(admin, "/v1/tags/cat/aliases", 422, aliases=["cat"])
    await user.client.post("/v1/tags", json={"names": ["unused"]})
    assert (await put(admin, "/v1/tags/cat/aliases", aliases=["unused"]))["aliases"] == ["unused"]


async def test_an_implication_works_at_once_at_any_depth_and_is_reversible(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    explicit = await upload(user, "tabby", "animal")
    implied = await upload(user, "tabby")
    await put(admin, "/v1/tags/tabby/implications", implies=["cat"])
    await put(admin, "/v1/tags/cat/implications", implies=["animal"])
    assert await tags_of(user, implied) == await tags_of(user, explicit) == ["animal", "cat", "tabby"]
    assert (await upload(user, "cat"))["tags"] == ["animal", "cat"]
    await assert_consistent(user.client, sql)
    refused = await put(admin, "/v1/tags/animal/implications", 422, implies=["tabby"])
    assert refused["type"] == "/problems/validation-error"
    await put(admin, "/v1/tags/cat/implications", implies=[])
    assert await tags_of(user, implied) == ["cat", "tabby"]
    assert await tags_of(user, explicit) == ["animal", "cat", "tabby"]
    await assert_consistent(user.client, sql)


async def test_an_implied_tag_cannot_be_removed_alone(user: Account, admin: Account) -> None:
    image = await upload(user, "tabby")
    await put(admin, "/v1/tags/tabby/implications", implies=["cat"])
    response = await user.client.delete(f"{image['links']['self']}/tags/cat")
    assert (response.status_code, response.json()["type"]) == (409, "/problems/tag-implied")
    response = await user.client.delete(f"{image['links']['self']}/tags/tabby")
    assert response.json()["tags"] == []
    assert (await user.client.delete(f"{image['links']['self']}/tags/tabby")).status_code == 404


async def test_a_merge_moves_images_edges_and_aliases(user: Account, admin: Account, sql: asyncpg.Connection) -> None:
    both, one = await upload(user, "kitten", "cat"), await upload(user, "kitten")
    await put(admin, "/v1/tags/kitten/aliases", aliases=["kit"])
    await put(admin, "/v1/tags/kitten/implications", implies=["young"])
    merged = (await admin.client.post("/v1/tags/kitten/merge", json={"into": "cat"})).json()
    assert (merged["name"], merged["images"], merged["aliases"]) == ("cat", 2, ["kit", "kitten"])
    assert merged["implies"] == ["young"]
    assert await tags_of(user, both) == await tags_of(user, one) == ["cat", "young"]
    assert (await upload(user, "kitten"))["tags"] == ["cat", "young"]
    await assert_consistent(user.client, sql)
    assert (await admin.client.post("/v1/tags/cat/merge", json={"into": "kit"})).status_code == 422


async def test_rename_and_delete(user: Account, admin: Account, sql: asyncpg.Connection) -> None:
    image = await upload(user, "cat", "dog", "tabby")
    await put(admin, "/v1/tags/tabby/implications", implies=["striped"])
    assert (await admin.client.patch("/v1/tags/cat", json={"name": "dog"})).status_code == 409
    assert (await admin.client.patch("/v1/tags/cat", json={"name": "Felis  Catus"})).json()["name"] == "felis catus"
    assert (await admin.client.delete("/v1/tags/tabby")).status_code == 204
    assert (await admin.client.delete("/v1/tags/tabby")).status_code == 404
    assert await tags_of(user, image) == ["dog", "felis catus"]
    await assert_consistent(user.client, sql)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/v1/tags/cat", {"name": "dog"}),
        ("DELETE", "/v1/tags/cat", None),
        ("POST", "/v1/tags/cat/merge", {"into": "dog"}),
        ("PUT", "/v1/tags/cat/aliases", {"aliases": []}),
        ("PUT", "/v1/tags/cat/implications", {"implies": []}),
    ],
)
async def test_the_vocabulary_is_changed_by_admins(
    user: Account, client: httpx.AsyncClient, method: str, path: str, body: object
) -> None:
    assert (await client.request(method, path, json=body)).status_code == 401
    assert (await user.client.request(method, path, json=body)).status_code == 403


async def test_counts_follow_visibility_and_are_the_same_before_and_after_compaction(
    user: Account, admin: Account, sql: asyncpg.Connection, database: Database
) -> None:
    images = [await upload(user, "cat", f"tag{number}") for number in range(3)]
    await upload(user, "cat", "secret", visibility="private")
    folder = TagCountCompactor(database, 1)
    before = await counts(user.client)
    assert (before["cat"], before["secret"]) == (3, 0)
    await folder.compact()
    assert await sql.fetchval("SELECT count(*) FROM tag_count_deltas") == 0
    assert await counts(user.client) == before
    await sql.execute("UPDATE images SET visibility = 'private' WHERE name = $1", images[0]["name"])
    await user.client.delete(images[1]["links"]["self"])
    assert (await counts(user.client))["cat"] == 1
    await sql.execute("DELETE FROM users WHERE id = $1", user.id)
    await assert_consistent(admin.client, sql)


async def test_autocomplete_is_by_count_and_pages_through_ties(user: Account, client: httpx.AsyncClient) -> None:
    for number in range(3):
        await upload(user, "cat", *[f"c{other}" for other in range(number)], "x_cat")
    names = [tag["name"] for tag in (await read(client, "/v1/tags", prefix="C"))["items"]]
    assert names == ["cat", "c0", "c1"]
    names = [tag["name"] for tag in (await read(client, "/v1/tags", contains="cat"))["items"]]
    assert names == ["cat", "x_cat"]
    assert (await read(client, "/v1/tags", prefix="%"))["items"] == []
    assert (await read(client, "/v1/tags", prefix="*"))["items"] == []
    names = [tag["name"] for tag in (await read(client, "/v1/tags", sort="name"))["items"]]
    assert names == ["c0", "c1", "cat", "x_cat"]


async def test_related_tags_are_scored_by_cosine(user: Account, client: httpx.AsyncClient) -> None:
    for tags in (["cat", "sofa"], ["cat", "sofa"], ["cat", "tree"], ["tree"]):
        await upload(user, *tags)
    await upload(user, "cat", "secret", visibility="private")
    related = (await read(client, "/v1/tags/cat/related"))["items"]
    assert [(one["tag"], one["images"], one["score"]) for one in related] == [("sofa", 2, 0.8165), ("tree", 2, 0.4082)]


async def test_bulk_tagging_by_query_and_ids(
    user: Account, admin: Account, make_account: Any, sql: asyncpg.Connection
) -> None:
    mine = [await upload(user, "cat"), await upload(user, "cat", "old")]
    other = await make_account()
    theirs = await upload(other, "cat")
    body = {"q": "cat", "add": ["feline"], "remove": ["old"]}
    dry = await user.client.post("/v1/images/tags", json={**body, "dry_run": True})
    assert dry.json() == {"matched": 2, "changed": 2, "batch": None}
    assert await tags_of(user, mine[1]) == ["cat", "old"]
    assert counts_of(await user.client.post("/v1/images/tags", json=body)) == (2, 2)
    assert counts_of(await user.client.post("/v1/images/tags", json=body)) == (2, 0)
    assert await tags_of(user, mine[1]) == ["cat", "feline"]
    assert await tags_of(user, theirs) == ["cat"]
    ids = {"ids": [theirs["id"], mine[0]["id"]], "add": ["x"]}
    assert counts_of(await user.client.post("/v1/images/tags", json=ids)) == (1, 1)
    assert counts_of(await admin.client.post("/v1/images/tags", json=ids)) == (2, 1)
    assert (await user.client.post("/v1/images/tags", json={"add": ["x"]})).status_code == 422
    assert (await user.client.post("/v1/images/tags", json={"q": "(", "add": ["x"]})).status_code == 400
    await assert_consistent(user.client, sql)


async def test_a_dry_run_counts_a_tag_and_its_alias_once(user: Account, admin: Account) -> None:
    await upload(user, "cat")
    assert (await admin.client.put("/v1/tags/cat/aliases", json={"aliases": ["kitty"]})).status_code == 200
    body = {"q": "cat", "add": ["cat", "kitty"], "dry_run": True}
    assert counts_of(await user.client.post("/v1/images/tags", json=body)) == (1, 0)
    body["add"] = ["cat", "kitty", "new"]
    assert counts_of(await user.client.post("/v1/images/tags", json=body)) == (1, 1)


async def test_every_user_adds_tags_to_public_images_only(user: Account, make_account: Any) -> None:
    stranger = await make_account()
    public, private = await upload(user, "cat"), await upload(user, "cat", visibility="private")
    added = await stranger.client.post(f"{public['links']['self']}/tags", json={"tags": ["Sofa"]})
    assert added.json()["tags"] == ["cat", "sofa"]
    path = f"{private['links']['self']}/tags"
    assert (await stranger.client.post(path, json={"tags": ["x"]})).status_code == 404
    assert (await stranger.client.put(f"{public['links']['self']}/tags", json={"tags": ["x"]})).status_code == 403
    assert (await stranger.client.delete(f"{public['links']['self']}/tags/cat")).status_code == 403
    full = [f"t{number}" for number in range(99)]
    assert (await user.client.put(f"{public['links']['self']}/tags", json={"tags": full})).status_code == 200
    assert (await user.client.post(f"{public['links']['self']}/tags", json={"tags": ["a", "b"]})).status_code == 422


async def test_if_match_keeps_the_changes_of_others(user: Account) -> None:
    path = (await upload(user, "cat"))["links"]["self"]
    etag = (await user.client.get(path)).headers["etag"]
    added = await user.client.post(f"{path}/tags", json={"tags": ["sofa"]}, headers={"If-Match": etag})
    assert added.status_code == 200
    assert added.headers["etag"] == (await user.client.get(path)).headers["etag"]
    for method, sub, body in (("PUT", "tags", {"tags": []}), ("DELETE", "tags/cat", None)):
        response = await user.client.request(method, f"{path}/{sub}", json=body, headers={"If-Match": etag})
        assert (response.status_code, response.json()["type"]) == (412, "/problems/precondition-failed")
    assert await tags_of(user, {"links": {"self": path}}) == ["cat", "sofa"]


async def test_a_page_of_tags_is_one_statement_however_many_it_has(user: Account, database: Database) -> None:
    await upload(user, *(f"tag {number}" for number in range(30)))
    for most in (1, 30):
        with tallied() as counters:
            async with database.search_session() as session:
                repository = TagRepository(session)
                assert len(await repository.list_by_count("tag *", VisibilityScope(), None, most)) == most
                assert len(await repository.list_by_name("tag *", VisibilityScope(), None, most)) == most
                assert await repository.find_visible("tag 7", VisibilityScope())
        assert counters.statements == 3
