"""The report of duplicates and the merge of a group."""

import asyncio
import hashlib
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.images.duplicates import repository, service
from app.media.image_properties import HASH_VERSION, PerceptualHash
from app.similarity.hash_chunks import MAX_DISTANCE, MIN_QUALITY, bit_text, list_chunks
from app.similarity.repository import SimilarityKind
from tests.audit.trail import read_events
from tests.images.test_trash import restore, slug
from tests.similarity.hashes import BITS, GOOD, add_hashed_images, distance, hash_of
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import running_service
from tests.tags.helpers import assert_consistent, read

MakeAccount = Callable[..., Awaitable[Account]]
DUPLICATES = "/v1/images/duplicates"


async def store(account: Account, file: bytes, *tags: str, **form: str) -> dict[str, Any]:
    """Upload a file under a new name."""
    files = {"image": (f"{uuid.uuid4().hex}.png", file, "image/png")}
    response = await account.client.post("/v1/images", files=files, data={"tags": list(tags), **form})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def merge(account: Account, keep: dict[str, Any], *others: dict[str, Any], **body: Any) -> httpx.Response:
    ids = {"keep": keep["id"], "others": [other["id"] for other in others]}
    return await account.client.post(f"{DUPLICATES}/merge", json=ids | body)


async def merged(account: Account, keep: dict[str, Any], *others: dict[str, Any], **body: Any) -> dict[str, Any]:
    response = await merge(account, keep, *others, **body)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


async def list_groups(account: Account, **params: Any) -> list[list[str]]:
    """Return the ids of all groups, from all pages."""
    groups: list[list[str]] = []
    while True:
        page = await read(account.client, DUPLICATES, **params)
        groups += [[image["id"] for image in group["images"]] for group in page["items"]]
        if page["next_cursor"] is None:
            return groups
        params["cursor"] = page["next_cursor"]


async def test_groups_are_the_callers_own_images_with_the_same_bytes(
    user: Account, make_account: MakeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "EXAMINED", dict.fromkeys(SimilarityKind, 3))
    other, files = await make_account(), [png() for _ in range(4)]
    wanted: dict[int, list[str]] = {}
    for number in (0, 1, 2, 1, 0, 3, 1, 2):
        image = await store(user, files[number], "cat", visibility=("public", "private")[number % 2])
        wanted.setdefault(number, []).append(image["id"])
        # Copies of another account are in no group, and make none.
        await store(other, files[3])
    groups = [wanted[number] for number in (0, 1, 2)]
    for limit in (1, 2, 3, 100):
        assert await list_groups(user, limit=limit, kind="bytes") == groups
    assert [len(group) for group in await list_groups(other)] == [8]
    first = (await read(user.client, DUPLICATES))["items"][0]
    assert first["kind"] == "bytes"
    assert first["images"] == [await read(user.client, f"/v1/images/{one}") for one in groups[0]]


async def test_large_groups_and_pages_are_cut(user: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_IMAGES_OF_PAGE", 3)
    files = [png(), png(), png()]
    images = [(await store(user, files[number % 3]))["id"] for number in range(6)]
    page = await read(user.client, DUPLICATES)
    assert [[one["id"] for one in group["images"]] for group in page["items"]] == [images[0:4:3]]
    assert await list_groups(user) == [images[0:4:3], images[1:5:3], images[2:6:3]]
    assert repository.MAX_IMAGES_OF_GROUP == 100


async def test_a_page_without_groups_has_a_next_one(user: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "EXAMINED", dict.fromkeys(SimilarityKind, 1))
    file = png()
    await store(user, png())
    twins = [(await store(user, file))["id"] for _ in range(2)]
    monkeypatch.setattr(service, "PAGE_SECONDS", 0)
    first = await user.client.get(DUPLICATES)
    assert (first.json()["items"], first.json()["next_cursor"] is None) == ([], False)
    assert 'rel="next"' in first.headers["link"]
    assert await list_groups(user) == [twins]


async def test_a_cursor_of_another_query_is_refused(user: Account, make_account: MakeAccount) -> None:
    file, other = png(), await make_account()
    for one in (file, second := png(), file, second):
        await store(user, one)
    cursor = (await read(user.client, DUPLICATES, limit=1))["next_cursor"]
    refused = await other.client.get(DUPLICATES, params={"cursor": cursor})
    assert slug(refused) == (400, "invalid-cursor")
    assert slug(await user.client.get(DUPLICATES, params={"kind": "same"})) == (422, "validation-error")


async def test_the_kept_image_gets_the_tags_and_the_others_go_to_the_trash(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    await admin.client.post("/v1/tags", json={"names": ["cat", "pet"]})
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["pet"]})
    file = png()
    keep, *others = [await store(user, file, *tags) for tags in (["red"], ["cat", "red"], ["sofa"], [])]
    would = await merged(user, keep, *others, dry_run=True)
    assert would == {"changed": 4, "batch": None}
    assert (await read(user.client, keep["links"]["self"]))["tags"] == ["red"]
    done = await merged(user, keep, *others)
    assert done == would | {"batch": done["batch"]}
    assert (await read(user.client, keep["links"]["self"]))["tags"] == ["cat", "pet", "red", "sofa"]
    assert await list_groups(user) == []
    listed = (await read(user.client, "/v1/trash", batch=done["batch"]))["items"]
    assert {one["id"]: one["tags"] for one in listed} == {one["id"]: one["tags"] for one in others}
    events = (await read(user.client, f"{keep['links']['self']}/history"))["items"]
    of_batch = {(one["tag"], one["change"], one["source"]) for one in events if one["batch"] == done["batch"]}
    assert of_batch == {("cat", "added", "bulk"), ("pet", "added", "implied"), ("sofa", "added", "bulk")}
    assert slug(await merge(user, keep, *others)) == (404, "image-not-found")
    await assert_consistent(admin.client, sql)

    reverted = await user.client.post("/v1/history/revert", json={"batch": done["batch"]})
    assert (reverted.json()["changed"], reverted.json()["conflicts"]) == (1, [])
    assert (await read(user.client, keep["links"]["self"]))["tags"] == ["red"]
    assert (await restore(user, f"/v1/trash/{others[0]['id']}")).json()["tags"] == ["cat", "pet", "red"]
    await assert_consistent(admin.client, sql)


async def test_an_image_that_gets_no_tags_does_not_change(user: Account) -> None:
    file = png()
    keep, other = await store(user, file, "cat", "red"), await store(user, file, "cat")
    for body in ({"dry_run": True}, {}):
        assert (await merged(user, keep, other, **body))["changed"] == 1
    events = (await read(user.client, f"{keep['links']['self']}/history"))["items"]
    assert {one["source"] for one in events} == {"hand"}


async def test_a_merge_beyond_100_tags_changes_nothing(user: Account, admin: Account, sql: asyncpg.Connection) -> None:
    file = png()
    keep = await store(user, file, *(f"a{number}" for number in range(60)))
    other = await store(user, file, *(f"a{number}" for number in range(20, 101)))
    small = await store(user, file, *(f"a{number}" for number in range(60, 100)))
    for body in ({"dry_run": True}, {}):
        refused = await merge(user, keep, other, **body)
        assert slug(refused) == (422, "validation-error")
        assert refused.json()["errors"][0]["loc"] == ["body", "others"]
        assert "101 different tags" in refused.json()["errors"][0]["msg"]
    assert (await user.client.get(other["links"]["self"])).status_code == 200
    assert (await merged(user, keep, small))["changed"] == 2
    assert len((await read(user.client, keep["links"]["self"]))["tags"]) == 100
    await assert_consistent(admin.client, sql)


async def test_only_images_that_the_caller_may_change_are_merged(
    user: Account, admin: Account, make_account: MakeAccount, sql: asyncpg.Connection
) -> None:
    other, file = await make_account(), png()
    own, hidden = await store(other, file), await store(user, file, visibility="private")
    public, second = await store(user, file, "cat"), await store(user, file)
    for keep, one in ((own, hidden), (hidden, own), (own, {"id": str(uuid.uuid1())})):
        refused = await merge(other, keep, one)
        assert slug(refused) == (404, "image-not-found")
    for keep, one in ((own, public), (public, own)):
        assert slug(await merge(other, keep, one)) == (403, "forbidden")
    assert await sql.fetchval("SELECT count(*) FROM images") == 4
    assert (await merged(admin, second, public))["changed"] == 2
    actions = [(event.action, event.object) for event in await read_events(sql)]
    assert actions[-2:] == [("image.set_tags", second["links"]["self"]), ("images.trash", "/v1/images")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"keep": str(uuid.UUID(int=1))},
        {"keep": str(uuid.UUID(int=1)), "others": []},
        {"keep": str(uuid.UUID(int=1)), "others": [str(uuid.UUID(int=1))]},
        {"keep": str(uuid.UUID(int=1)), "others": [str(uuid.UUID(int=2)), uuid.UUID(int=2).hex]},
        {"keep": str(uuid.UUID(int=1)), "others": [str(uuid.UUID(int=number)) for number in range(2, 503)]},
        {"keep": "none", "others": [str(uuid.UUID(int=2))]},
        {"keep": str(uuid.UUID(int=1)), "others": [str(uuid.UUID(int=2))], "dry_run": "yes"},
        {"keep": str(uuid.UUID(int=1)), "others": [str(uuid.UUID(int=2))], "tags": []},
    ],
)
async def test_a_merge_that_is_not_complete_is_422(user: Account, body: dict[str, Any]) -> None:
    assert slug(await user.client.post(f"{DUPLICATES}/merge", json=body)) == (422, "validation-error")


async def test_concurrent_merges_deletions_and_tags_lose_nothing(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    """Merges in both directions, deletions and new tags at once: each succeeds or is 404, and no tag is lost."""
    for _ in range(2):
        file = png()
        images = [await store(user, file, f"tag {number}") for number in range(4)]
        responses = await asyncio.gather(
            merge(user, images[0], *images[1:]),
            merge(admin, images[3], *images[2::-1]),
            merge(user, images[1], images[2]),
            user.client.delete(images[2]["links"]["self"]),
            user.client.post(f"{images[1]['links']['self']}/tags", json={"tags": ["late"]}),
            admin.client.put("/v1/tags/tag%200/aliases", json={"aliases": [f"t {uuid.uuid4().hex}"]}),
        )
        assert {one.status_code for one in responses} <= {200, 204, 404}, [one.text for one in responses]
        kept = (await read(user.client, "/v1/images", q=f"sha256:{images[0]['sha256']}"))["items"]
        trashed = [
            one for one in (await read(user.client, "/v1/trash"))["items"] if one["sha256"] == images[0]["sha256"]
        ]
        assert {one["id"] for one in [*kept, *trashed]} == {one["id"] for one in images}
        assert {tag for one in [*kept, *trashed] for tag in one["tags"]} >= {f"tag {number}" for number in range(4)}
        for merged_into, one in ((images[0], responses[0]), (images[3], responses[1])):
            if one.status_code == 200:
                tags = (await read(user.client, merged_into["links"]["self"]))["tags"]
                assert set(tags) >= {tag for image in kept for tag in image["tags"]}
    await assert_consistent(admin.client, sql)


async def test_a_tag_that_is_merged_meanwhile_arrives_under_its_new_name(
    user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    file = png()
    keep, other = await store(user, file, "red"), await store(user, file, "kitty")
    await store(user, png(), "cat")
    done, renamed = await asyncio.gather(
        merge(user, keep, other), admin.client.post("/v1/tags/kitty/merge", json={"into": "cat"})
    )
    assert (done.status_code, renamed.status_code) == (200, 200), (done.text, renamed.text)
    assert (await read(user.client, keep["links"]["self"]))["tags"] == ["cat", "red"]
    await assert_consistent(admin.client, sql)


@pytest.mark.slow
async def test_a_locked_image_is_503_and_nothing_changes(user: Account, sql: asyncpg.Connection) -> None:
    file = png()
    keep, other = await store(user, file), await store(user, file, "cat")
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("SELECT FROM images WHERE id = $1 FOR UPDATE", uuid.UUID(other["id"]))
    try:
        refused = await merge(user, keep, other)
    finally:
        await transaction.rollback()
    assert slug(refused) == (503, "database-busy")
    assert (await read(user.client, keep["links"]["self"]))["tags"] == []


async def test_without_a_trash_the_others_are_deleted(
    user: Account, settings: Settings, sql: asyncpg.Connection
) -> None:
    file = png()
    keep, other = await store(user, file), await store(user, file, "cat")
    headers = {"Authorization": f"Bearer {user.access_token}"}
    ids = {"keep": keep["id"], "others": [other["id"]]}
    async with (
        running_service(settings.model_copy(update={"trash_days": 0})) as without,
        httpx.AsyncClient(base_url=without.url, headers=headers) as client,
    ):
        assert (await client.post(f"{DUPLICATES}/merge", json=ids)).json()["changed"] == 2
    assert await sql.fetchval("SELECT count(*) FROM trashed_images") == 0
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") > 0


@dataclass(frozen=True)
class Row:
    """The columns of an image that the groups depend on, in the order of creation."""

    id: uuid.UUID
    file: int
    pixels: int | None
    perceptual_hash: PerceptualHash

    def is_duplicate(self, other: "Row", kind: str) -> bool:
        if kind == "bytes":
            return self.file == other.file
        if kind == "pixels":
            return self.pixels is not None and self.pixels == other.pixels
        hashes = (self.perceptual_hash, other.perceptual_hash)
        return min(one.quality for one in hashes) >= MIN_QUALITY and distance(*hashes) <= MAX_DISTANCE


async def store_hash(
    sql: asyncpg.Connection, image: uuid.UUID, perceptual_hash: PerceptualHash, pixels: int | None
) -> None:
    """Replace the hashes of an image. `pixels` stands for a decoded picture."""
    bits, quality = perceptual_hash
    await sql.execute("DELETE FROM image_hashes WHERE image_id = $1", image)
    await sql.execute(
        "INSERT INTO image_hashes VALUES ($1, $2, CAST(CAST($3 AS text) AS bit(256)), $4, $5, $6, $7)",
        *(image, HASH_VERSION, bit_text(bits), quality, list_chunks(bits, quality)),
        *((None, None) if pixels is None else (1, hashlib.sha256(bytes([pixels])).digest())),
    )


def expected_groups(rows: list[Row], kind: str) -> list[list[uuid.UUID]]:
    """Return the groups by comparing all pairs: the oracle."""
    groups = [
        [row, *(newer for newer in rows[number + 1 :] if row.is_duplicate(newer, kind))]
        for number, row in enumerate(rows)
    ]
    groups = [
        group
        for number, group in enumerate(groups)
        if len(group) > 1 and not any(set(group) <= set(older) for older in groups[:number])
    ]
    closer = {"near": ("bytes", "pixels"), "pixels": ("bytes",), "bytes": ()}[kind]
    return [
        [row.id for row in group]
        for group in groups
        if not closer or any(not any(group[0].is_duplicate(row, one) for one in closer) for row in group[1:])
    ]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
async def test_groups_of_each_kind_are_those_of_all_pairs(
    seed: int,
    user: Account,
    make_account: MakeAccount,
    sql: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance, other = random.Random(seed), await make_account()
    monkeypatch.setattr(service, "EXAMINED", dict.fromkeys(SimilarityKind, 7))
    centres = [chance.getrandbits(BITS) for _ in range(4)]

    def near(centre: int) -> PerceptualHash:
        # At up to 20 bits from the centre: two of one centre can be near or not.
        flipped = sum(1 << place for place in chance.sample(range(BITS), chance.randrange(21)))
        return hash_of(centre ^ flipped, chance.choice([GOOD, GOOD, GOOD, MIN_QUALITY - 1]))

    rows: dict[uuid.UUID, list[Row]] = {}
    for owner, number in ((user.id, 30), (other.id, 10)):
        hashes = [near(chance.choice(centres)) for _ in range(number)]
        known: list[Row] = []
        for one, perceptual_hash in zip(await add_hashed_images(sql, hashes, owner=owner), hashes, strict=True):
            # A copy of the same file has the same pixels and the same hash.
            if known and chance.random() < 0.3:
                twin = chance.choice(known)
                row = Row(one, chance.choice([twin.file, len(known)]), twin.pixels, twin.perceptual_hash)
            else:
                pixels = len(known) if chance.random() < 0.8 else None
                row = Row(one, len(known), pixels, perceptual_hash)
            known.append(row)
        rows[owner] = known
    for place, row in enumerate(row for known in rows.values() for row in known):
        await sql.execute(
            "UPDATE images SET sha256 = sha256($2), created_at = now() + $3 * interval '1 s' WHERE id = $1",
            *(row.id, bytes([row.file]), place // 2),
        )
        await store_hash(sql, row.id, row.perceptual_hash, row.pixels)
    for account in (user, other):
        order = await sql.fetch("SELECT id FROM images WHERE uploaded_by = $1 ORDER BY created_at, id", account.id)
        by_id = {row.id: row for row in rows[account.id]}
        ordered = [by_id[row["id"]] for row in order]
        for kind in SimilarityKind:
            wanted = [[str(one) for one in group] for group in expected_groups(ordered, kind)]
            assert await list_groups(account, kind=kind.value, limit=3) == wanted, kind
