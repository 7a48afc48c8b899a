"""The search of similar images finds exactly what a scan of all hashes finds."""

import random
import uuid
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authz.visibility import VisibilityScope
from app.db.database import Database
from app.media.image_properties import PerceptualHash
from app.similarity.hash_chunks import CHUNK_BITS, MAX_DISTANCE, MIN_QUALITY, list_chunks, list_search_keys
from app.similarity.repository import SimilarImage, SimilarityKind, SimilarityRepository
from tests.similarity.hashes import BITS, GOOD, add_hashed_images, distance, hash_of, number_of
from tests.support.accounts import Account

EVERYTHING = VisibilityScope(sees_all=True)


async def similar_to(
    database: Database,
    image: uuid.UUID,
    scope: VisibilityScope,
    max_distance: int,
    limit: int = 10_000,
    max_matches: int | None = None,
) -> list[SimilarImage]:
    async with database.search_session() as session:
        repository = SimilarityRepository(session)
        fingerprint = await repository.find_visible_fingerprint(image, scope)
        assert fingerprint is not None
        return await repository.list_similar(
            fingerprint, scope, max_distance, limit, except_for=image, max_matches=max_matches
        )


def flipped(origin: PerceptualHash, places: list[int]) -> PerceptualHash:
    number = number_of(origin)
    for place in places:
        number ^= 1 << place
    return hash_of(number)


def spread(count: int) -> list[int]:
    """Return places that are as evenly spread over the chunks as possible: the worst case of the index."""
    return [CHUNK_BITS * (number % CHUNK_BITS) + number // CHUNK_BITS for number in range(count)]


@pytest.mark.unit
@given(
    st.integers(0, 2**BITS - 1),
    st.lists(st.integers(0, BITS - 1), max_size=MAX_DISTANCE, unique=True),
    st.integers(0, MAX_DISTANCE),
)
def test_a_hash_within_the_distance_shares_a_key(number: int, places: list[int], max_distance: int) -> None:
    origin = hash_of(number)
    other = flipped(origin, places[:max_distance])
    stored, searched = list_chunks(*other), list_chunks(*origin)
    assert stored is not None
    assert searched is not None
    assert set(stored) & set(list_search_keys(searched, max_distance))


@pytest.mark.unit
def test_a_distance_without_keys_is_an_error() -> None:
    with pytest.raises(ValueError, match="32"):
        list_search_keys([0], MAX_DISTANCE + 1)


async def test_the_index_finds_what_a_scan_finds(sql: asyncpg.Connection, database: Database) -> None:
    rng = random.Random(20)
    origins = [hash_of(rng.getrandbits(BITS)) for _ in range(8)]
    near = [
        flipped(origin, rng.sample(range(BITS), rng.randint(0, 2 * MAX_DISTANCE)))
        for origin in origins
        for _ in "a" * 40
    ]
    worst = [flipped(origin, spread(count)) for origin in origins for count in range(10, 36)]
    flat = [hash_of(number_of(origin), MIN_QUALITY - 1) for origin in origins]
    hashes = [*origins, *near, *worst, *flat]
    ids = await add_hashed_images(sql, hashes)
    by_id = dict(zip(ids, hashes, strict=True))
    for place, image in enumerate(ids[: len(origins)]):
        for max_distance in (0, 7, 15, 16, MAX_DISTANCE):
            expected = {
                other: distance(origins[place], one)
                for other, one in by_id.items()
                if one.quality >= MIN_QUALITY and other != image and distance(origins[place], one) <= max_distance
            }
            found = await similar_to(database, image, EVERYTHING, max_distance)
            assert {one.id: one.distance for one in found} == expected
            assert [one.distance for one in found] == sorted(expected.values())
            assert {one.kind for one in found} <= {SimilarityKind.NEAR}


async def test_a_search_for_the_nearest_of_many_copies_ends_early(sql: asyncpg.Connection, database: Database) -> None:
    image, *_copies = await add_hashed_images(sql, [hash_of(5)] * 60 + [flipped(hash_of(5), spread(31))])
    assert len(await similar_to(database, image, EVERYTHING, MAX_DISTANCE)) == 60
    found = await similar_to(database, image, EVERYTHING, MAX_DISTANCE, max_matches=21)
    # The image itself is one of the matches.
    assert [one.distance for one in found] == [0] * 20


async def test_flat_and_old_hashes_are_near_to_none(sql: asyncpg.Connection, database: Database) -> None:
    flat = await add_hashed_images(sql, [hash_of(5, MIN_QUALITY - 1), hash_of(5, MIN_QUALITY - 1)])
    current, old, missing = await add_hashed_images(sql, [hash_of(5), hash_of(5), hash_of(5)])
    await sql.execute("UPDATE image_hashes SET version = 0 WHERE image_id = $1", old)
    await sql.execute("DELETE FROM image_hashes WHERE image_id = $1", missing)
    for image in (*flat, current, old, missing):
        assert await similar_to(database, image, EVERYTHING, MAX_DISTANCE) == []


async def test_the_closest_kind_comes_first(sql: asyncpg.Connection, database: Database) -> None:
    image, same_bytes, same_pixels, near, other_version = await add_hashed_images(sql, [hash_of(5, GOOD)] * 5)
    await sql.execute("UPDATE images SET sha256 = $1 WHERE id = ANY($2)", bytes(32), [image, same_bytes])
    pixels = "UPDATE image_hashes SET pixel_version = $1, pixel_sha256 = $2 WHERE image_id = ANY($3)"
    await sql.execute(pixels, 1, bytes(32), [image, same_bytes, same_pixels])
    await sql.execute(pixels, 2, bytes(32), [other_version])
    found = await similar_to(database, image, EVERYTHING, 0)
    assert [(one.id, one.kind) for one in found] == [
        (same_bytes, SimilarityKind.BYTES),
        (same_pixels, SimilarityKind.PIXELS),
        *((one, SimilarityKind.NEAR) for one in sorted([near, other_version])),
    ]
    assert await similar_to(database, image, EVERYTHING, 0, limit=1) == found[:1]


async def test_private_images_are_found_by_their_owner_only(
    sql: asyncpg.Connection, database: Database, make_account: Callable[..., Awaitable[Account]]
) -> None:
    owner, stranger = await make_account(), await make_account()
    hashes = [hash_of(5)]
    (image,) = await add_hashed_images(sql, hashes)
    (private,) = await add_hashed_images(sql, hashes, owner=owner.id, visibility="private")
    scopes = {owner.id: [private], stranger.id: [], None: []}
    for principal, expected in scopes.items():
        found = await similar_to(database, image, VisibilityScope(principal), MAX_DISTANCE)
        assert [one.id for one in found] == expected
    async with database.search_session() as session:
        repository = SimilarityRepository(session)
        assert await repository.find_visible_fingerprint(private, VisibilityScope(stranger.id)) is None


async def test_a_hash_is_deleted_with_the_last_row_of_its_image(sql: asyncpg.Connection) -> None:
    kept, moved, deleted = await add_hashed_images(sql, [hash_of(1), hash_of(2), hash_of(3)])
    columns = "id, name, storage_key, created_at, uploaded_by, content_type, size, width, height, sha256, visibility"
    move = (
        f"WITH moved AS (INSERT INTO {{}} ({columns}) SELECT {columns} FROM {{}} WHERE id = $1) "  # noqa: S608
        "DELETE FROM {} WHERE id = $1"
    )

    async def hashed() -> set[uuid.UUID]:
        return {row["image_id"] for row in await sql.fetch("SELECT image_id FROM image_hashes")}

    await sql.execute(move.format("trashed_images", "images", "images"), moved)
    await sql.execute("DELETE FROM images WHERE id = $1", deleted)
    assert await hashed() == {kept, moved}
    await sql.execute(move.format("images", "trashed_images", "trashed_images"), moved)
    assert await hashed() == {kept, moved}
    await sql.execute(move.format("trashed_images", "images", "images"), moved)
    await sql.execute("DELETE FROM trashed_images")
    assert await hashed() == {kept}


async def test_an_upload_stores_the_hash_of_its_picture(user: Account, sql: asyncpg.Connection, photo: bytes) -> None:
    response = await user.client.post("/v1/images", files={"image": ("a.png", photo)})
    assert response.status_code == 201
    row = await sql.fetchrow("SELECT image_id, version, quality, chunks FROM image_hashes")
    assert row is not None
    assert (str(row["image_id"]), row["version"]) == (response.json()["id"], 1)
    assert row["quality"] < MIN_QUALITY
    assert row["chunks"] is None
