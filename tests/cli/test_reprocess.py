"""`python -m app reprocess`, as a child process."""

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.core.settings import Settings
from app.storage.object_store import ObjectStore
from tests.media.corpus import encoded, exif, patches, segment, with_segments
from tests.media.photo_files import CANON, OFFSET, TAKEN_AT, TIME, jpeg, tiff
from tests.similarity.photographs import photograph
from tests.support.accounts import Account
from tests.support.environment import environment
from tests.support.paths import ROOT
from tests.support.photos import png

STORED_BEFORE = "UPDATE images SET width = 200, height = 160 WHERE name LIKE '%.jpg'"


async def reprocess(settings: Settings, data_dir: Path, *options: str) -> tuple[int, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "reprocess", "--data-dir", str(data_dir), *options),
        cwd=ROOT,
        env=environment(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert out, err.decode()
    return process.returncode or 0, json.loads(out)


@pytest.fixture
async def images(user: Account, sql: asyncpg.Connection) -> list[dict[str, Any]]:
    """Three images, in the order of their ids, whose rows have the dimensions before the orientation."""
    jpeg = with_segments(encoded(patches(), "JPEG"), segment(0xE1, b"Exif\0\0" + exif(6)))
    for name, body in (("a.jpg", jpeg), ("b.jpg", jpeg), ("c.png", png())):
        response = await user.client.post("/v1/images", files={"image": (name, body)})
        assert response.status_code == 201, response.text
    await sql.execute(STORED_BEFORE)
    rows = await sql.fetch("SELECT id, name, storage_key FROM images ORDER BY id")
    return [dict(row) for row in rows]


async def dimensions(sql: asyncpg.Connection) -> dict[str, tuple[int, int]]:
    return {row["name"]: (row["width"], row["height"]) for row in await sql.fetch("SELECT * FROM images")}


@pytest.mark.usefixtures("images")
async def test_f36_reprocess_corrects_stored_rows(
    user: Account, settings: Settings, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    search = {"q": "ratio:<1"}
    assert (await user.client.get("/v1/images", params=search)).json()["items"] == []
    code, report = await reprocess(settings, tmp_path, "--only", "dimensions")
    assert (code, report) == (0, {"images": 3, "changed": 2, "failed": 0, "failures": []})
    assert await dimensions(sql) == {"a.jpg": (160, 200), "b.jpg": (160, 200), "c.png": (8, 6)}
    found = (await user.client.get("/v1/images", params=search)).json()["items"]
    assert {one["name"] for one in found} == {"a.jpg", "b.jpg"}
    assert list(tmp_path.iterdir()) == []
    assert (await reprocess(settings, tmp_path))[1]["changed"] == 0


async def test_f36_a_stopped_run_continues_and_one_bad_image_ends_nothing(
    settings: Settings,
    sql: asyncpg.Connection,
    object_store: ObjectStore,
    images: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    (tmp_path / "reprocess-dimensions").write_text(f"{images[0]['id']}\n")
    code, report = await reprocess(settings, tmp_path)
    assert (code, report["images"]) == (0, 2)
    await sql.execute(STORED_BEFORE)
    jpegs = [one for one in images if one["name"].endswith(".jpg")]
    await object_store.remove([jpegs[0]["storage_key"]])
    code, report = await reprocess(settings, tmp_path, "--restart")
    assert (code, report["images"], report["changed"], report["failed"]) == (1, 3, 1, 1)
    assert report["failures"] == [{"image": str(jpegs[0]["id"]), "problem": "the object is missing"}]
    assert (await dimensions(sql))[jpegs[1]["name"]] == (160, 200)


async def test_reprocess_reads_the_metadata_of_stored_photos(
    user: Account, settings: Settings, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    photo = jpeg(tiff(CANON, {TAKEN_AT: TIME, OFFSET: "+02:00"}))
    paths = []
    for name, body in (("a.jpg", photo), ("b.jpg", jpeg(b"II*\0damaged")), ("c.jpg", photo)):
        response = await user.client.post("/v1/images", files={"image": (name, body)})
        paths.append(response.json()["links"]["self"])
    await sql.execute("UPDATE images SET taken_at = NULL, taken_at_offset = NULL, camera = 'of an earlier version'")
    etags = [(await user.client.get(path)).headers["etag"] for path in paths]
    # An interrupted run continues.
    (tmp_path / "reprocess-metadata").write_text(f"{paths[0].rpartition('/')[2]}\n")
    code, report = await reprocess(settings, tmp_path, "--only", "metadata")
    assert (code, report) == (0, {"images": 2, "changed": 2, "failed": 0, "failures": []})
    assert (await reprocess(settings, tmp_path, "--only", "metadata"))[1]["changed"] == 1
    assert list(tmp_path.iterdir()) == []
    images = [(await user.client.get(path)) for path in paths]
    expected = [
        ("2024-05-01T10:00:00+02:00", "Canon EOS R5"),
        (None, None),
        ("2024-05-01T10:00:00+02:00", "Canon EOS R5"),
    ]
    assert [(one.json()["taken_at"], one.json()["camera"]) for one in images] == expected
    assert all(one.headers["etag"] != etag for one, etag in zip(images, etags, strict=True))
    found = await user.client.get("/v1/images", params={"q": "taken:2024", "sort": "taken"})
    assert [one["name"] for one in found.json()["items"]] == ["a.jpg", "c.jpg"]


async def test_hashes_of_stored_images_are_computed(
    user: Account, settings: Settings, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    ids = []
    for name, body in (("a.png", photograph()), ("b.webp", photograph(kind="WEBP", lossless=True)), ("c.png", png())):
        response = await user.client.post("/v1/images", files={"image": (name, body)})
        ids.append(response.json()["id"])
    uploaded = await sql.fetch("SELECT image_id, perceptual_hash::text, quality FROM image_hashes ORDER BY image_id")
    await sql.execute("DELETE FROM image_hashes WHERE image_id = $1", uuid.UUID(ids[0]))
    await sql.execute(
        "UPDATE image_hashes SET version = 0, quality = 0, chunks = NULL WHERE image_id::text = $1", ids[1]
    )
    query = {"q": f"similar:{ids[0]}"}
    assert (await user.client.get("/v1/images", params=query)).json()["items"] == []
    code, report = await reprocess(settings, tmp_path, "--only", "hashes")
    assert (code, report["images"], report["changed"]) == (0, 3, 3)
    rows = await sql.fetch("SELECT image_id, perceptual_hash::text, quality FROM image_hashes ORDER BY image_id")
    assert rows == uploaded
    # The cached page was invalidated.
    assert [one["id"] for one in (await user.client.get("/v1/images", params=query)).json()["items"]] == [ids[1]]
    similar = (await user.client.get(f"/v1/images/{ids[0]}/similar")).json()["items"]
    assert [(one["image"]["id"], one["kind"], one["distance"]) for one in similar] == [(ids[1], "pixels", 0)]
    assert (await reprocess(settings, tmp_path, "--only", "hashes"))[1]["images"] == 0
