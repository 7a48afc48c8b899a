"""Similar images over HTTP: of stored images, of files, and in the responses to uploads."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from tests.images.files import noise_png
from tests.similarity.photographs import photograph
from tests.support.accounts import Account

MakeAccount = Callable[..., Awaitable[Account]]


async def upload(client: httpx.AsyncClient, body: bytes, headers: dict[str, str] | None = None, **fields: str) -> Any:
    response = await client.post(
        "/v1/images", files={"image": (f"{uuid.uuid4()}.x", body)}, data=fields, headers=headers or {}
    )
    assert response.status_code == 201, response.text
    return response.json()


async def similar(client: httpx.AsyncClient, image: str, **params: int) -> list[tuple[str, str]]:
    """Return the ids and the kinds of the similar images."""
    response = await client.get(f"/v1/images/{image}/similar", params=params)
    assert response.status_code == 200, response.text
    return [(one["image"]["id"], one["kind"]) for one in response.json()["items"]]


async def similar_to_file(client: httpx.AsyncClient, body: bytes, **params: int) -> httpx.Response:
    return await client.post("/v1/images/similar", files={"image": ("x.png", body)}, params=params)


async def test_copies_are_found_by_image_by_file_and_by_upload(user: Account, client: httpx.AsyncClient) -> None:
    original = await upload(user.client, photograph(), tags="cup")
    other = await upload(user.client, photograph("chelsea"))
    assert (original["similar"], other["similar"]) == ([], [])
    jpeg = await upload(user.client, photograph(kind="JPEG", quality=40, size=(300, 200)))
    assert jpeg["duplicates"] == []
    assert jpeg["similar"] == [original["links"]["self"]]
    twin = await upload(user.client, photograph())
    assert twin["duplicates"] == [original["links"]["self"]]
    assert twin["similar"] == [original["links"]["self"], jpeg["links"]["self"]]
    assert await similar(client, original["id"]) == [(twin["id"], "bytes"), (jpeg["id"], "near")]
    assert await similar(client, original["id"], limit=1) == [(twin["id"], "bytes")]
    assert await similar(client, other["id"]) == []
    found = (await similar_to_file(user.client, photograph(kind="WEBP", quality=70))).json()["items"]
    assert {one["image"]["id"] for one in found} == {original["id"], twin["id"], jpeg["id"]}
    assert [one["distance"] for one in found] == sorted(one["distance"] for one in found)
    assert {one["kind"] for one in found} == {"near"}
    assert [one["image"]["tags"] for one in found if one["image"]["id"] == original["id"]] == [["cup"]]


async def test_a_file_is_checked_like_an_upload_and_not_stored(
    user: Account, client: httpx.AsyncClient, sql: asyncpg.Connection, empty_bucket: ObjectStore
) -> None:
    # Larger than a part: the decoder reads it from the store.
    for body in (photograph(), noise_png(PART_BYTES)):
        response = await similar_to_file(user.client, body)
        assert response.status_code == 200
        assert response.json() == {"items": []}
    assert (await similar_to_file(client, photograph())).status_code == 401
    assert (await similar_to_file(user.client, b"no image")).status_code == 415
    assert (await similar_to_file(user.client, photograph()[:-2000])).status_code == 422
    assert (await similar_to_file(user.client, photograph(), max_distance=32)).status_code == 422
    files = {"image": ("x.png", photograph())}
    refused = await user.client.post("/v1/images/similar", files=files, data={"tags": "cat"})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "tags"])
    for table in ("images", "image_hashes", "orphaned_objects", "storage_usage_deltas"):
        assert await sql.fetchval(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608
    assert [one.key async for one in empty_bucket.list_objects()] == []


async def test_private_images_are_similar_for_their_owner_only(
    user: Account, admin: Account, client: httpx.AsyncClient, make_account: MakeAccount
) -> None:
    stranger = await make_account()
    public = await upload(user.client, photograph())
    private = await upload(user.client, photograph(kind="JPEG"), visibility="private")
    assert private["similar"] == [public["links"]["self"]]
    for account, expected in ((user, [private["id"]]), (admin, [private["id"]]), (stranger, [])):
        assert [one for one, _ in await similar(account.client, public["id"])] == expected
        found = (await similar_to_file(account.client, photograph())).json()["items"]
        assert [one["image"]["id"] for one in found] == [public["id"], *expected]
    assert await similar(client, public["id"]) == []
    for one in (client, stranger.client):
        assert (await one.get(f"/v1/images/{private['id']}/similar")).status_code == 404
    copy = await upload(stranger.client, photograph(kind="WEBP"))
    assert copy["similar"] == [public["links"]["self"]]


async def test_deleted_and_trashed_images_are_not_similar(user: Account, sql: asyncpg.Connection) -> None:
    first, second = await upload(user.client, photograph()), await upload(user.client, photograph(kind="JPEG"))
    path = second["links"]["self"]
    assert (await user.client.delete(path)).status_code == 204
    assert await similar(user.client, first["id"]) == []
    assert (await user.client.post(f"/v1/trash/{second['id']}/restore", json={})).status_code == 200
    assert await similar(user.client, first["id"]) == [(second["id"], "near")]
    assert (await user.client.delete(path, params={"permanent": "true"})).status_code == 204
    assert await similar(user.client, first["id"]) == []
    assert await sql.fetchval("SELECT array_agg(image_id) FROM image_hashes") == [uuid.UUID(first["id"])]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}])
async def test_of_racing_uploads_at_least_one_reports_the_other(user: Account, headers: dict[str, str]) -> None:
    for name in ("coffee", "chelsea", "astronaut"):
        bodies = (photograph(name), photograph(name), photograph(name, kind="JPEG"), photograph(name, kind="WEBP"))
        images = await asyncio.gather(
            *(upload(user.client, body, {key: str(uuid.uuid4()) for key in headers}) for body in bodies)
        )
        for place, image in enumerate(images):
            for other in images[:place]:
                reported = {(image["id"], path) for path in image["similar"]}
                reported |= {(other["id"], path) for path in other["similar"]}
                assert reported & {(image["id"], other["links"]["self"]), (other["id"], image["links"]["self"])}


async def test_a_repeated_upload_has_the_same_similar_images(user: Account) -> None:
    original = await upload(user.client, photograph())
    request: dict[str, Any] = {
        "files": {"image": ("copy.jpg", photograph(kind="JPEG"))},
        "headers": {"Idempotency-Key": "copy"},
    }
    first = await user.client.post("/v1/images", **request)
    assert first.json()["similar"] == [original["links"]["self"]]
    await upload(user.client, photograph(kind="WEBP"))
    assert (await user.client.post("/v1/images", **request)).json() == first.json()


async def test_a_resumable_upload_reports_similar_images(user: Account) -> None:
    original = await upload(user.client, photograph())
    body = photograph(kind="JPEG")
    response = await user.client.post(
        "/v1/uploads",
        content=body,
        headers={"Upload-Complete": "?1", "Upload-Length": str(len(body)), "Content-Type": "application/octet-stream"},
    )
    assert response.status_code == 201, response.text
    assert response.json()["similar"] == [original["links"]["self"]]


async def test_a_query_finds_similar_images(
    user: Account, client: httpx.AsyncClient, make_account: MakeAccount
) -> None:
    stranger = await make_account()
    original = await upload(user.client, photograph(), tags="cup")
    copy = await upload(user.client, photograph(kind="JPEG"), tags="cup, copy")
    private = await upload(user.client, photograph(kind="WEBP"), tags="cup", visibility="private")
    other = await upload(user.client, photograph("chelsea"), tags="cat")

    async def find(viewer: httpx.AsyncClient, query: str) -> set[str]:
        params = {"q": query, "count": "exact"}
        page = (await viewer.get("/v1/images", params=params)).json()
        assert page["total"] == len(page["items"])
        return {one["id"] for one in page["items"]}

    term = f"similar:{original['id']}"
    for viewer, visible in ((user.client, {private["id"]}), (client, set()), (stranger.client, set())):
        assert await find(viewer, term) == {copy["id"], *visible}
        assert await find(viewer, f"-{term}") == {original["id"], other["id"]}
        assert await find(viewer, f"{term} copy") == {copy["id"]}
        assert await find(viewer, f"{term} OR cat") == {copy["id"], other["id"], *visible}
        assert await find(viewer, f"{term},{other['id'].upper()}") == {copy["id"], *visible}
        assert await find(viewer, f"similar:{uuid.uuid4()}") == set()
    assert await find(user.client, f"similar:{private['id']}") == {original["id"], copy["id"]}
    assert await find(client, f"similar:{private['id']}") == set()
    assert await find(client, f"cup -similar:{private['id']}") == {original["id"], copy["id"]}
    refused = await client.get("/v1/images", params={"q": "cup similar:copy"})
    assert (refused.status_code, refused.json()["position"]) == (400, 12)
