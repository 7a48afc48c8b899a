"""`python -m app restore`, and the round trip from `export`."""

import hashlib
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from app.cli.archive.archive_format import OPERATION_COLUMNS, OPERATION_REFERENCES
from app.core.settings import Settings
from app.db.database import Database
from app.images.maintenance.consistency_check import ConsistencyCheck
from app.models import TagOperation
from app.storage.object_store import ObjectStore
from tests.history.replay import assert_replayable
from tests.media.corpus import segment, with_segments
from tests.media.photo_files import CANON, FRACTION, OFFSET, TAKEN_AT, TIME, jpeg, tiff
from tests.support.accounts import Account
from tests.support.archives import client_map, keep_sessions, records, responses, seal, sidecars_of
from tests.support.commands import Finished, run_command
from tests.support.photos import image_bytes, png
from tests.support.server_fixtures import empty_tables

MakeAccount = Callable[..., Awaitable[Account]]


class Collection(NamedTuple):
    """A service with images, and an archive of it."""

    archive: Path
    clients: dict[str, httpx.AsyncClient]
    sessions: list[asyncpg.Record]
    images: dict[str, dict[str, Any]]


@pytest.fixture
async def collection(
    settings: Settings,
    client: httpx.AsyncClient,
    make_account: MakeAccount,
    sql: asyncpg.Connection,
    empty_bucket: ObjectStore,  # noqa: ARG001
    tmp_path: Path,
) -> Collection:
    """Accounts, tags with aliases and implications, and images of every kind, one of which has two parts."""
    admin, user, other = await make_account(is_admin=True), await make_account(), await make_account()
    await admin.client.post("/v1/tags", json={"names": ["kitten", "cat", "animal", "unused"]})
    await admin.client.put("/v1/tags/kitten/implications", json={"implies": ["cat"]})
    await admin.client.put("/v1/tags/cat/implications", json={"implies": ["animal"]})
    await admin.client.put("/v1/tags/cat/aliases", json={"aliases": ["feline"]})
    photo = segment(0xE1, b"Exif\0\0" + tiff(CANON, {TAKEN_AT: TIME, OFFSET: "+02:00", FRACTION: "25"}))
    large = with_segments(image_bytes("JPEG"), photo, *[segment(0xFE, bytes(65_000))] * 90)
    images = {
        "changed.png": await upload(user, "changed.png", png((8, 8)), "couch,daybed,typo,wrong"),
        "plain.png": await upload(user, "plain.png", png((9, 7))),
        "large.jpg": await upload(user, "large.jpg", large, "kitten,sofa"),
        "private.gif": await upload(user, "private.gif", image_bytes("GIF"), "cat,secret", "private"),
        "of nobody.webp": await upload(other, "of nobody.webp", image_bytes("WEBP"), "animal,feline"),
        "photo.jpg": await upload(other, "photo.jpg", jpeg(tiff(CANON, {TAKEN_AT: TIME}))),
        "…ünïcode 猫.png": await upload(other, "…ünïcode 猫.png", png((30, 20)), "猫"),
    }
    await sql.execute("UPDATE images SET uploaded_by = NULL WHERE name = 'of nobody.webp'")
    # Changes of tags that can be reverted.
    await admin.client.post("/v1/tags/couch/merge", json={"into": "sofa"})
    await admin.client.patch("/v1/tags/daybed", json={"name": "day bed"})
    for name in ("typo", "wrong"):
        await admin.client.delete(f"/v1/tags/{name}")
    # In the trash. Its tag stays hidden.
    former = await upload(user, "former.jpg", jpeg(tiff(CANON, {TAKEN_AT: TIME})), "former secret", "private")
    await user.client.delete(former["links"]["self"])
    await sql.execute("UPDATE images SET created_at = '2020-02-02T02:02:02.123456Z' WHERE name = 'plain.png'")
    # As after an upgrade: the file was not read for its metadata.
    await sql.execute("UPDATE images SET camera = NULL WHERE name = 'photo.jpg'")
    await sql.execute("UPDATE users SET quota_bytes = 1000000000, email_verified = true WHERE id = $1", user.id)
    archive = tmp_path / "archive"
    finished = await run_command(settings, "export", archive)
    assert finished.code == 0, finished.output
    clients = client_map(anonymous=client, admin=admin, user=user)
    return Collection(archive, clients, await sql.fetch("SELECT * FROM user_sessions"), images)


async def upload(
    account: Account, name: str, body: bytes, tags: str = "", visibility: str = "public"
) -> dict[str, Any]:
    fields = {"tags": tags, "visibility": visibility}
    response = await account.client.post("/v1/images", files={"image": (name, body)}, data=fields)
    assert response.status_code == 201, response.text
    image: dict[str, Any] = response.json()
    return image


async def restore(settings: Settings, archive: Path, *options: str) -> tuple[Finished, dict[str, dict[str, str]]]:
    """Return what the command printed, and the lines of its report by path."""
    report = archive.parent / "report.jsonl"
    finished = await run_command(settings, "restore", archive, "--report", report, "--json", *options)
    assert finished.stdout == report.read_text()
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    return finished, {line["path"]: line for line in lines}


async def test_a_round_trip_changes_nothing_that_a_client_can_see(
    settings: Settings,
    collection: Collection,
    sql: asyncpg.Connection,
    database: Database,
    object_store: ObjectStore,
    tmp_path: Path,
) -> None:
    before = await responses(collection.clients)
    assert before["admin /v1/history?limit=100"]["items"]
    assert "2024-05-01T10:00:00.250000+02:00" in str(before)
    tables = {
        "tags": "SELECT name, created_at, is_listed FROM tags ORDER BY name",
        "tagged": """SELECT i.name, t.name, g.created_at, g.is_explicit FROM tagged g
            JOIN tags t ON t.id = g.tag JOIN images i ON i.id = g.image ORDER BY 1, 2""",
        "implications": "SELECT created_at FROM tag_implications ORDER BY 1",
        "trash": """SELECT i.id, i.name, i.created_at, uploaded_by, sha256, visibility, trashed_at, trashed_by,
            taken_at, camera, t.name AS tag, g.created_at AS tagged_at, g.is_explicit FROM trashed_images i
            JOIN trashed_tags g ON g.image = i.id JOIN tags t ON t.id = g.tag ORDER BY t.name""",
        "operations": """SELECT o.id, o.created_at, actor, kind, o.tag, new_name, is_complete, t.name, a.name AS target,
            t.id IS NULL AS is_deleted FROM tag_operations o LEFT JOIN tags t ON t.id = o.tag_id
            LEFT JOIN tags a ON a.id = o.target_id ORDER BY 1""",
        "private": "SELECT t.name, p.owner_id FROM private_tags p JOIN tags t ON t.id = p.tag_id ORDER BY 1, 2",
    }
    rows = {name: await sql.fetch(query) for name, query in tables.items()}
    await empty_tables(sql)
    await object_store.remove([one.key async for one in object_store.list_objects()])

    dry, _ = await restore(settings, collection.archive, "--dry-run")
    assert (dry.code, "Dry run: 24 restored, 0 already stored" in dry.output) == (0, True), dry.output
    assert await sql.fetchval("SELECT count(*) FROM users") == 0
    finished, _ = await restore(settings, collection.archive)
    assert (finished.code, "24 restored, 0 already stored" in finished.output) == (0, True), finished.output
    await keep_sessions(sql, collection.sessions)
    assert await responses(collection.clients) == before
    assert {name: await sql.fetch(query) for name, query in tables.items()} == rows
    assert await sql.fetchval("SELECT count(*) FROM users WHERE password IS NOT NULL OR token IS NOT NULL") == 0
    await require_consistent(settings, sql, database, object_store)

    # Again, also from a service that it was restored into.
    finished, report = await restore(settings, collection.archive)
    assert (finished.code, {line["outcome"] for line in report.values()}) == (0, {"stored"})
    await run_command(settings, "export", tmp_path / "second")
    names = ("accounts.jsonl", "vocabulary.jsonl", "operations.jsonl", "SHA256SUMS")
    assert all((tmp_path / "second" / name).read_bytes() == (collection.archive / name).read_bytes() for name in names)


async def test_changes_of_tags_before_an_export_can_be_reverted_after_a_restore(
    settings: Settings, collection: Collection, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    admin, path = collection.clients["admin"], collection.images["changed.png"]["links"]["self"]
    assert (await admin.get(path)).json()["tags"] == ["day bed", "sofa"]
    await empty_tables(sql)
    await object_store.remove([one.key async for one in object_store.list_objects()])
    finished, _ = await restore(settings, collection.archive)
    assert finished.code == 0, finished.output
    await keep_sessions(sql, collection.sessions)

    operations = {one["tag"]: one for one in records(collection.archive, "operations")}
    assert operations.keys() == {"couch", "daybed", "typo", "wrong"}
    for operation in operations.values():
        response = await admin.post("/v1/history/revert", json={"batch": operation["id"]})
        assert (response.status_code, response.json()["conflicts"]) == (200, []), response.text
    assert (await admin.get(path)).json()["tags"] == ["couch", "daybed", "typo", "wrong"]
    assert (await admin.get("/v1/tags/couch")).json()["name"] == "couch"
    await assert_replayable(sql)


def test_an_operation_of_an_archive_has_all_columns_of_its_table() -> None:
    assert {*OPERATION_COLUMNS, *OPERATION_REFERENCES} == set(TagOperation.__table__.columns.keys())


async def require_consistent(
    settings: Settings, sql: asyncpg.Connection, database: Database, object_store: ObjectStore
) -> None:
    """Require that rows, objects, tags and their copies fit together, and that nothing is on the orphan list."""
    at_once = settings.model_copy(update={"orphan_grace_seconds": 0})
    report = await ConsistencyCheck(database, object_store, at_once).run(dry_run=True, digests=True)
    assert (report.damaged, report.orphans, report.stale_uploads) == ([], [], [])
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0
    differing = """SELECT count(*) FROM images WHERE tag_ids <> ARRAY(
        SELECT tag FROM tagged WHERE image = images.id ORDER BY tag)"""
    assert await sql.fetchval(differing) == 0


async def test_a_filled_service_keeps_what_it_has(
    settings: Settings, collection: Collection, make_account: MakeAccount, sql: asyncpg.Connection
) -> None:
    images = collection.images
    owner = await sql.fetchrow("SELECT u.* FROM users u JOIN images i ON i.uploaded_by = u.id WHERE name = 'large.jpg'")
    assert owner is not None
    await sql.execute("UPDATE images SET sha256 = sha256('x') WHERE name = 'plain.png'")
    await sql.execute("DELETE FROM images WHERE name = 'large.jpg'")
    await sql.execute("DELETE FROM images WHERE name = '…ünïcode 猫.png'")
    await sql.execute("DELETE FROM users WHERE id = $1", owner["id"])
    await sql.execute("DELETE FROM tags WHERE name IN ('猫', 'feline', 'kitten')")
    admin = await make_account(is_admin=True)
    same_address = await make_account(owner["email"].upper())
    taken = await upload(same_address, "…ünïcode 猫.png", png(), "dog")
    await admin.client.put("/v1/tags/dog/aliases", json={"aliases": ["猫"]})
    await admin.client.put("/v1/tags/animal/implications", json={"implies": ["kitten"]})
    await upload(same_address, "of an animal.png", png(), "animal,sofa")

    dry, would = await restore(settings, collection.archive, "--dry-run")
    finished, report = await restore(settings, collection.archive)
    assert (dry.code, finished.code) == (1, 1)
    by_name = {name: f"images/{image['created_at'][:13]}/{image['id']}.json" for name, image in images.items()}
    plain = by_name["plain.png"] = next(path for path in report if images["plain.png"]["id"] in path)
    assert report[plain]["reason"] == "an image with the same id has other bytes"
    assert report[by_name["large.jpg"]]["outcome"] == "restored"
    assert report[by_name["private.gif"]]["reason"] == "the image was changed in the service: owner"
    assert report[by_name["…ünïcode 猫.png"]]["reason"] == f"the image {taken['id']} has the name"
    assert report[f"account {owner['id']}"]["outcome"] == "mapped"
    assert report["tag 猫"]["reason"] == "it is an alias in the service"
    assert report["tag kitten"]["reason"] == "it cannot imply 'cat' in the service"
    assert would == report
    restored = (await same_address.client.get(images["large.jpg"]["links"]["self"])).json()
    assert (restored["uploaded_by"], restored["tags"]) == (
        str(same_address.id),
        ["kitten", "sofa"],
    )
    again, second = await restore(settings, collection.archive)
    assert (again.code, second[by_name["large.jpg"]]["outcome"]) == (1, "stored")


async def test_hostile_items_are_refused_one_by_one(
    settings: Settings, user: Account, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    archive = tmp_path / "hostile"
    await upload(user, "good.jpg", jpeg(tiff(CANON, {TAKEN_AT: TIME})), "cat")
    for number in range(len(FORGERIES) + 1):
        await upload(user, f"{number}.png", png(), "cat")
    await run_command(settings, "export", archive)
    paths = {
        one["name"]: archive / f"images/{one['created_at'][:13]}" / one["id"] for one in sidecars_of(archive).values()
    }
    expected = {}
    for number, (forge, reason) in enumerate(FORGERIES):
        forge(paths[f"{number}.png"])
        expected[f"{paths[f'{number}.png'].relative_to(archive)}.json"] = reason
    _of_earlier_version(paths["good.jpg"])
    with (archive / "vocabulary.jsonl").open("a") as lines:
        lines.write('{"name": "-bad"}\n' + "[" * 100_000 + "\n")
    with (archive / "accounts.jsonl").open("a") as lines:
        lines.write('{"id": "1"}\n')
    with (archive / "operations.jsonl").open("a") as lines:
        lines.write('{"kind": "drop"}\n')
    seal(archive, [f"{'0' * 64}  ../../etc/passwd", f"{'0' * 64}  images/2026-11-29T08/../../x.json", "x" * 100_000])
    changed = paths[f"{len(FORGERIES)}.png"]
    _flip(changed)
    expected[f"{changed.relative_to(archive)}.json"] = "the original has another digest"
    await empty_tables(sql)

    for options in (("--dry-run",), ()):
        finished, report = await restore(settings, archive, *options)
        assert finished.code == 1
        refused = {path: line["reason"] for path, line in report.items() if line["outcome"] == "refused"}
        for path, reason in expected.items():
            assert reason in refused.pop(path, ""), (path, reason, report[path])
        assert len(refused) >= 6
        assert all(path.split(":")[0] in MEMBERS for path in refused)
        assert sum(line["outcome"] == "restored" for line in report.values()) == 3
    images = await sql.fetch("SELECT name, camera FROM images")
    assert [tuple(row) for row in images] == [("good.jpg", "Canon EOS R5")]
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0


def _original(path: Path) -> Path:
    return path.with_suffix(".png")


def _sidecar(**changes: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        sidecar = path.with_suffix(".json")
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **changes}))

    return change


def _of_earlier_version(path: Path) -> None:
    """Remove the members that earlier versions did not write."""
    sidecar = path.with_suffix(".json")
    members = json.loads(sidecar.read_text())
    kept = {name: value for name, value in members.items() if not name.startswith(("taken_at", "camera"))}
    sidecar.write_text(json.dumps(kept))


def _bytes(content: bytes) -> Callable[[Path], None]:
    """Replace the original, with a size and a digest that are right."""

    def change(path: Path) -> None:
        _original(path).write_bytes(content)
        _sidecar(size=len(content), sha256=hashlib.sha256(content).hexdigest())(path)

    return change


def _link(path: Path) -> None:
    shutil.copyfile(_original(path), path.parent.parent.parent.parent / f"{path.name}.outside")
    _original(path).unlink()
    _original(path).symlink_to(path.parent.parent.parent.parent / f"{path.name}.outside")


def _pipe(path: Path) -> None:
    _original(path).unlink()
    os.mkfifo(_original(path))


def _nested(path: Path) -> None:
    path.with_suffix(".json").write_text("[" * 500_000)


def _flip(path: Path) -> None:
    content = _original(path).read_bytes()
    _original(path).write_bytes(content[:-1] + b"x")


def _tagged(name: str) -> Callable[[Path], None]:
    return _sidecar(tags=[{"name": name, "explicit": True, "created_at": "2026-01-01T00:00:00Z"}])


MEMBERS = ("SHA256SUMS", "vocabulary.jsonl", "accounts.jsonl", "operations.jsonl")
_BOMB = png()[:16] + (100_000).to_bytes(4, "big") * 2 + png()[24:]
# Its header is valid.
_UNDECODABLE = png((50, 50)).partition(b"IDAT")[0] + b"IDAT" + bytes(500)
FORGERIES: tuple[tuple[Callable[[Path], None], str], ...] = (
    (_sidecar(name="../../evil.png"), "the sidecar is invalid: name"),
    (_sidecar(name="a\u202eb.png"), "the sidecar is invalid: name"),
    (_tagged("-x"), "tags.0.name"),
    (
        _sidecar(tags=[{"name": "new", "explicit": True, "created_at": "2026-01-01T00:00:00Z"}]),
        "does not have its tags",
    ),
    (_sidecar(created_at="0001-01-01T00:00:00+14:00"), "the time is out of range"),
    (_sidecar(taken_at="2026-01-01T00:00:00Z"), "taken_at"),
    (_sidecar(taken_at_offset=1_000), "taken_at_offset"),
    (_sidecar(camera="a\u202eb"), "the camera is not in its stored form"),
    (_sidecar(created_at="2026-01-01T00:00:00Z"), "the sidecar is that of another file"),
    (_sidecar(uploaded_by="00000000-0000-4000-8000-000000000000"), "does not exist"),
    (_sidecar(padding="x" * 17_000_000), "is larger than 16777216 bytes"),
    (_sidecar(storage_key="originals/1"), "Extra inputs are not permitted"),
    (_sidecar(size=1), "the original has another size"),
    (_sidecar(sha256="1" * 64), "the sidecar and the list of digests differ"),
    (_bytes(_BOMB), "is more than"),
    (_bytes(b"GIF89a" + bytes(50)), "The file ends within its header"),
    (_bytes(image_bytes("JPEG")), "the original has another type"),
    (_bytes(_UNDECODABLE), "damaged"),
    (_bytes(b"<svg onload=alert(1)>" * 9), ""),
    (_link, "is no regular file"),
    (_pipe, "is no regular file"),
    (lambda path: _original(path).unlink(), "is missing"),
    (_nested, "the sidecar is invalid"),
)


async def test_an_incomplete_or_changed_archive_is_refused_as_a_whole(
    settings: Settings, user: Account, tmp_path: Path
) -> None:
    intact = tmp_path / "intact"
    await upload(user, "a.png", png(), "cat")
    await run_command(settings, "export", intact)

    def damage(name: str, change: Callable[[Path], object]) -> Path:
        copy = tmp_path / f"damaged-{name}"
        shutil.copytree(intact, copy)
        change(copy / name)
        return copy

    def version(path: Path) -> object:
        return path.write_text(path.read_text().replace('"version": 1', '"version": 2'))

    cases = [
        (damage("manifest.json", Path.unlink), "has no complete archive"),
        (damage("SHA256SUMS", lambda path: path.write_text("")), "SHA256SUMS was changed"),
        (damage("vocabulary.jsonl", lambda path: path.write_text("")), "vocabulary.jsonl was changed"),
        (damage("accounts.jsonl", Path.unlink), "accounts.jsonl was changed"),
        (damage("operations.jsonl", Path.unlink), "operations.jsonl was changed"),
    ]
    for archive, reason in cases:
        finished = await run_command(settings, "restore", archive)
        assert (finished.code, reason in finished.output) == (2, True), finished.output
    version(intact / "manifest.json")
    finished = await run_command(settings, "restore", intact)
    assert (finished.code, "version: Input should be 1" in finished.output) == (2, True)
    assert len(records(intact, "accounts")) == 1
