"""`python -m app export`."""

import json
import stat
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.core.settings import Settings
from app.storage.object_store import ObjectStore
from tests.support.accounts import Account
from tests.support.archives import digests_of, files_of, records, sidecars_of
from tests.support.commands import run_command
from tests.support.photos import image_bytes, png

NAMES = ("a.png", "b.jpg", "..%2f..%2fetc%2fpasswd", "d.png")


@pytest.fixture
async def images(user: Account, admin: Account) -> list[dict[str, Any]]:
    """Four images, one of them private; with an implication and an alias."""
    await admin.client.post("/v1/tags", json={"names": ["kitten", "cat", "unused"]})
    await admin.client.put("/v1/tags/kitten/implications", json={"implies": ["cat"]})
    await admin.client.put("/v1/tags/cat/aliases", json={"aliases": ["feline"]})
    uploaded = []
    for number, name in enumerate(NAMES):
        body = image_bytes("JPEG") if name.endswith("jpg") else png()
        fields = {"tags": "kitten" if number % 2 else "cat,sofa", "visibility": "private" if number == 3 else "public"}
        response = await user.client.post("/v1/images", files={"image": (name, body)}, data=fields)
        assert response.status_code == 201, response.text
        uploaded.append(response.json())
    return uploaded


async def test_an_archive_has_everything_but_secrets(
    settings: Settings, images: list[dict[str, Any]], user: Account, admin: Account, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    finished = await run_command(settings, "export", archive)
    assert finished.code == 0, finished.output
    assert "4 images (4 copied, 0 kept), 4 tags and 2 accounts of 20" in finished.output

    files, manifest = files_of(archive), json.loads((archive / "manifest.json").read_text())
    assert manifest["sha256sums"] == files.pop("SHA256SUMS")
    assert (manifest["images"], manifest["left_out"], manifest["snapshot"]["query"]) == (4, 0, None)
    del files["manifest.json"]
    assert digests_of(archive) == files
    for image in images:
        folder = archive / "images" / image["created_at"][:13]
        (original,) = (path for path in folder.glob(f"{image['id']}.*") if path.suffix != ".json")
        assert original.suffix == "." + image["content_type"].removeprefix("image/")
        assert original.read_bytes() == (await user.client.get(image["links"]["content"])).content
    sidecars = sidecars_of(archive)
    assert sidecars.keys() == set(NAMES)
    kitten = sidecars["b.jpg"]
    assert [(tag["name"], tag["explicit"]) for tag in kitten["tags"]] == [("cat", False), ("kitten", True)]
    assert kitten["uploaded_by"] == str(user.id)
    for key in ("id", "size", "width", "height", "sha256", "visibility", "created_at"):
        assert kitten[key] == images[1][key]

    tags = {one["name"]: one for one in records(archive, "vocabulary")}
    assert [one["name"] for one in tags["kitten"]["implies"]] == ["cat"]
    assert [one["name"] for one in tags["cat"]["aliases"]] == ["feline"]
    assert {name for name, tag in tags.items() if tag["listed"]} == {"cat", "kitten", "unused"}
    assert tags["kitten"]["private_to"] == [str(user.id)]
    accounts = {one["id"]: one for one in records(archive, "accounts")}
    assert {key: one["is_admin"] for key, one in accounts.items()} == {str(user.id): False, str(admin.id): True}
    text = "".join(path.read_text() for path in archive.glob("*.jsonl"))
    assert "bcrypt" not in text
    assert "password" not in text
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (archive, *archive.rglob("*"))}
    assert modes == {0o700, 0o600}


async def test_a_second_export_copies_only_the_difference(
    settings: Settings, images: list[dict[str, Any]], user: Account, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    await run_command(settings, "export", archive)
    before = {path: path.stat().st_ino for path in archive.glob("images/*/*")}
    await sql.execute("DELETE FROM images WHERE id = $1", images[0]["id"])
    await user.client.patch(images[1]["links"]["self"], json={"name": "renamed.jpg"})
    await sql.execute("UPDATE images SET created_at = '2020-02-02T02:02:02Z' WHERE id = $1", images[2]["id"])
    await user.client.post("/v1/images", files={"image": ("e.png", png())})
    (archive / "images" / "2001-01-01T00").mkdir()

    finished = await run_command(settings, "export", archive, "--json")
    assert "4 images (2 copied, 2 kept)" in finished.output
    lines = [json.loads(line) for line in finished.stdout.splitlines()]
    assert sorted(line["outcome"] for line in lines) == ["copied", "copied", "kept", "kept"]
    assert {line["path"] for line in lines} < files_of(archive).keys()
    assert sidecars_of(archive).keys() == {"renamed.jpg", NAMES[2], "d.png", "e.png"}
    assert digests_of(archive).keys() == files_of(archive).keys() - {"manifest.json", "SHA256SUMS"}
    after = {path: path.stat().st_ino for path in archive.glob("images/*/*")}
    kept = {path.name.partition(".")[0] for path in before.keys() & after.keys() if before[path] == after[path]}
    assert kept == {images[1]["id"], images[3]["id"]}
    assert "images/2020-02-02T02" in {str(path.relative_to(archive)) for path in archive.glob("images/*")}
    assert not (archive / "images" / "2001-01-01T00").exists()


async def test_an_interrupted_export_continues_with_its_snapshot(
    settings: Settings,
    images: list[dict[str, Any]],
    user: Account,
    object_store: ObjectStore,
    tmp_path: Path,
    sql: asyncpg.Connection,
) -> None:
    archive = tmp_path / "archive"
    keys = {str(row["id"]): row["storage_key"] for row in await sql.fetch("SELECT id, storage_key FROM images")}
    # The bucket of another installation: the snapshot succeeds, and every copy fails.
    elsewhere = settings.model_copy(update={"storage_endpoint": "127.0.0.1:1"})
    finished = await run_command(elsewhere, "export", archive)
    assert (finished.code, "Run the command again to continue" in finished.output) == (3, True)
    assert not (archive / "manifest.json").exists()

    # Changes after the snapshot: a new image is no part of it, and a deleted one cannot be copied.
    await user.client.post("/v1/images", files={"image": ("late.png", png())})
    await sql.execute("DELETE FROM images WHERE id = $1", images[0]["id"])
    await object_store.remove([keys[images[0]["id"]], keys[images[1]["id"]]])
    finished = await run_command(settings, "export", archive)
    assert (finished.code, "left out: 1, deleted since" in finished.output) == (1, True)
    assert f"failed: {images[1]['id']}: the object is missing" in finished.output
    assert sidecars_of(archive).keys() == {*NAMES[2:]}
    manifest = json.loads((archive / "manifest.json").read_text())
    assert (manifest["images"], manifest["left_out"]) == (2, 2)
    assert not (archive / ".snapshot").exists()


@pytest.mark.usefixtures("images")
async def test_an_export_of_a_query_has_only_what_its_images_need(
    settings: Settings, make_account: Any, user: Account, tmp_path: Path
) -> None:
    await (await make_account()).client.post("/v1/images", files={"image": ("other.png", png())}, data={"tags": "dog"})
    archive = tmp_path / "archive"
    finished = await run_command(settings, "export", archive, "--query", "feline -sofa")
    assert "2 images (2 copied, 0 kept), 2 tags and 1 accounts" in finished.output
    assert sidecars_of(archive).keys() == {"b.jpg", "d.png"}
    assert [one["name"] for one in records(archive, "vocabulary")] == ["cat", "kitten"]
    assert [one["id"] for one in records(archive, "accounts")] == [str(user.id)]
    for options in ((), ("--query", "dog")):
        finished = await run_command(settings, "export", archive, *options)
        assert (finished.code, "has an archive of the query 'feline -sofa'" in finished.output) == (2, True)


async def test_invalid_options_change_nothing(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png())
    finished = await run_command(settings, "export", tmp_path)
    assert (finished.code, "has other files" in finished.output) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    finished = await run_command(settings, "export", tmp_path / "new", "--query", "cat OR")
    assert (finished.code, (tmp_path / "new").exists()) == (2, False)
