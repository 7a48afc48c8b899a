"""Suggested tags, against a computation in plain Python over all rows."""

import math
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from app.images.suggestions import repository
from tests.images.test_duplicates import store, store_hash
from tests.images.test_trash import slug
from tests.similarity.hashes import hash_of
from tests.support.accounts import Account
from tests.support.photos import png
from tests.tags.helpers import read

MakeAccount = Callable[..., Awaitable[Account]]
TAGS = [f"tag {number}" for number in range(12)]
ALL = uuid.UUID(int=0)


@dataclass(frozen=True)
class Stored:
    """The columns of an image that suggestions depend on."""

    id: uuid.UUID
    owner: uuid.UUID
    is_private: bool
    file: int
    tags: frozenset[str]
    bits: int | None = None

    def is_visible_to(self, viewer: uuid.UUID | None) -> bool:
        return not self.is_private or viewer in (self.owner, ALL)

    def similarity_to(self, other: "Stored") -> float:
        """Return the similarity of a copy, 0 for an image that is none."""
        if self.file == other.file:
            return 1
        if self.bits is None or other.bits is None:
            return 0
        return max(0, 1 - (self.bits ^ other.bits).bit_count() / 32)


def suggest(
    tags: Sequence[str], images: Sequence[Stored], target: Stored, viewer: uuid.UUID | None, sampled: int
) -> list[dict[str, Any]]:
    """Return the suggested tags for an image: the oracle."""
    public = {tag: sum(tag in one.tags and not one.is_private for one in images) for tag in tags}
    rarity = {tag: 1 / math.log2(count + 2) for tag, count in public.items()}
    others = [one for one in images if one.id != target.id and one.is_visible_to(viewer)]
    copies = {one: similarity for one in others if (similarity := target.similarity_to(one))}
    votes = [(one, similarity / max(1, sum(copies.values()))) for one, similarity in copies.items()]
    samples = {
        tag: sorted((one for one in others if tag in one.tags), key=lambda one: one.id.bytes)[:sampled]
        for tag in target.tags
    }
    total = sum(rarity[tag] for tag, sample in samples.items() if sample)
    votes += [(one, rarity[tag] / total / (len(sample) + 1)) for tag, sample in samples.items() for one in sample]
    suggestions = []
    for tag in set(tags) - target.tags:
        voters = {one for one, _ in votes if tag in one.tags}
        score = rarity[tag] * sum(share for one, share in votes if tag in one.tags)
        if voters:
            first = sorted(voters, key=lambda one: (-copies.get(one, 0), one.id.bytes))[:5]
            because = [f"/v1/images/{one.id}" for one in first]
            suggestions.append({"tag": tag, "score": score, "votes": len(voters), "because": because})
    return sorted(suggestions, key=lambda one: (-round(one["score"], 4), one["tag"]))


async def store_rows(sql: asyncpg.Connection, images: Sequence[Stored]) -> None:
    await sql.execute("INSERT INTO tags (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", TAGS)
    await sql.executemany(
        "INSERT INTO images (id, name, storage_key, uploaded_by, sha256, visibility, content_type, size, width, "
        "height) VALUES ($1, $2, $2, $3, sha256($4), $5, 'image/png', 1, 1, 1)",
        [
            (one.id, str(one.id), one.owner, bytes([one.file]), "private" if one.is_private else "public")
            for one in images
        ],
    )
    for one in images:
        if one.bits is not None:
            await store_hash(sql, one.id, hash_of(one.bits), None)
    await sql.executemany(
        "INSERT INTO tagged (tag, image) SELECT id, $1 FROM tags WHERE name = $2",
        [(one.id, tag) for one in images for tag in one.tags],
    )


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
async def test_only_visible_images_vote_and_as_the_formula_has_it(
    seed: int,
    user: Account,
    admin: Account,
    make_account: MakeAccount,
    client: httpx.AsyncClient,
    sql: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance, other = random.Random(seed), await make_account()
    monkeypatch.setattr(repository, "MAX_SAMPLED", 8)
    images = [
        Stored(
            uuid.UUID(int=chance.getrandbits(128)),
            chance.choice([user.id, other.id]),
            chance.random() < 0.5,
            chance.randrange(8),
            # The last tags occur on private images of one account only.
            frozenset(chance.sample(TAGS[:9], chance.randrange(5))),
            # At distances of up to 35, of which the largest are too far.
            chance.choice([None, (1 << chance.randrange(36)) - 1]),
        )
        for _ in range(12)
    ]
    hidden = [
        Stored(uuid.UUID(int=chance.getrandbits(128)), other.id, True, number, frozenset([TAGS[9 + number], *TAGS[:3]]))
        for number in range(3)
    ]
    images += hidden
    await store_rows(sql, images)
    viewers = [(client, None), (user.client, user.id), (other.client, other.id), (admin.client, ALL)]
    for target in images:
        for viewer, account in viewers:
            response = await viewer.get(f"/v1/images/{target.id}/suggested-tags", params={"limit": 100})
            if not target.is_visible_to(account):
                assert slug(response) == (404, "image-not-found")
                continue
            expected = suggest(TAGS, images, target, account, 8 // max(1, len(target.tags)))
            found = response.json()["items"]
            assert [one | {"score": 0} for one in found] == [one | {"score": 0} for one in expected]
            assert [one["score"] for one in found] == pytest.approx([one["score"] for one in expected], abs=6e-5)
            if account in (None, user.id):
                assert not {one["tag"] for one in found} & set(TAGS[9:])
    path = f"/v1/images/{images[0].id}/suggested-tags"
    items = (await read(admin.client, path))["items"]
    assert (await read(admin.client, path, limit=2))["items"] == items[:2]


async def test_tags_that_the_image_has_or_that_are_implied_or_aliases_are_not_suggested(
    user: Account, admin: Account
) -> None:
    file = png()
    image, copy = await store(user, file, "cat"), await store(user, file, "cat", "pet", "kitty", "sofa")
    await admin.client.post("/v1/tags", json={"names": ["feline"]})
    assert (await admin.client.post("/v1/tags/kitty/merge", json={"into": "feline"})).status_code == 200
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["pet"]})
    await admin.client.put("/v1/tags/feline/aliases", json={"aliases": ["kitty", "puss"]})
    path = f"{image['links']['self']}/suggested-tags"
    items = (await read(user.client, path))["items"]
    assert {one["tag"] for one in items} == {"feline", "sofa"}
    assert all(one["because"] == [copy["links"]["self"]] for one in items)
    await user.client.delete(copy["links"]["self"])
    assert (await read(user.client, path))["items"] == []


async def test_accepted_suggestions_have_their_source_in_the_history(user: Account, admin: Account) -> None:
    await admin.client.post("/v1/tags", json={"names": ["cat", "pet"]})
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["pet"]})
    image = await store(user, png(), "red")
    path = f"{image['links']['self']}/tags"
    added = await user.client.post(path, json={"tags": ["cat"], "source": "suggestion"})
    assert added.json()["tags"] == ["cat", "pet", "red"]
    await user.client.post(path, json={"tags": ["sofa"], "source": "hand"})
    events = (await read(user.client, f"{image['links']['self']}/history"))["items"]
    sources = {one["tag"]: one["source"] for one in events}
    assert sources == {"cat": "suggestion", "pet": "implied", "red": "hand", "sofa": "hand"}
    of_cat = next(one["id"] for one in events if one["tag"] == "cat")
    reverted = await user.client.post("/v1/history/revert", json={"ids": [of_cat]})
    assert reverted.json()["changed"] == 1
    assert (await read(user.client, image["links"]["self"]))["tags"] == ["red", "sofa"]
    for source in ("bulk", "implied", "", None):
        refused = await user.client.post(path, json={"tags": ["dog"], "source": source})
        assert slug(refused) == (422, "validation-error")
    replaced = await user.client.put(path, json={"tags": ["dog"], "source": "suggestion"})
    assert slug(replaced) == (422, "validation-error")
