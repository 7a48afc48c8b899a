import asyncio
import contextlib
import json
import os
import pty
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from app.core.settings import Settings
from client.python.imts_client.retry import seconds_to_wait
from tests.similarity.photographs import photograph
from tests.support.accounts import Account
from tests.support.commands import run_command
from tests.support.environment import environment
from tests.support.photos import image_bytes, png
from tests.support.server import RunningService

MakeAccount: TypeAlias = Callable[..., Awaitable[Account]]


async def start(settings: Settings, url: str, directory: Path, *options: str) -> asyncio.subprocess.Process:
    arguments = ["-m", "app", "import", str(directory), "--server", url, *options]
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment(settings), stdout=-1, stderr=-1
    )


async def run(settings: Settings, url: str, directory: Path, *options: str) -> tuple[int, str]:
    process = await start(settings, url, directory, *options)
    out, error = await process.communicate()
    assert b"Traceback" not in error, error.decode()
    return process.returncode or 0, out.decode() + error.decode()


async def stored(user: Account) -> dict[str, list[str]]:
    """Return the tags of each stored image by its name."""
    return {image["name"]: image["tags"] for image in (await user.client.get("/v1/images?limit=100")).json()["items"]}


async def test_a_folder_is_imported_once(
    settings: Settings, service: RunningService, user: Account, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "Cats, big" / "Sofa").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "Cats, big" / "b.jpg").write_bytes(image_bytes("JPEG"))
    (tmp_path / "Cats, big" / "Sofa" / "c.png").write_bytes(png())
    (tmp_path / "twice.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "broken.png").write_bytes(png()[:-20])
    (tmp_path / ".hidden" / "d.png").write_bytes(png())
    token = ("--token", user.access_token, "--tag", "holiday")

    code, out = await run(settings, service.url, tmp_path, *token)
    assert code == 1
    # The copy, the text and the hidden file are skipped.
    assert "3 uploaded, 3 skipped, 1 failed." in out
    assert "broken.png: " in out
    found = (await user.client.get("/v1/images")).json()["items"]
    assert {image["name"]: image["tags"] for image in found} == {
        "a.png": ["holiday"],
        "b.jpg": ["cats big", "holiday"],
        "c.png": ["cats big", "holiday", "sofa"],
    }
    (tmp_path / "broken.png").unlink()
    code, out = await run(settings, service.url, tmp_path, *token)
    assert (code, "0 uploaded, 6 skipped, 0 failed." in out) == (0, True)
    assert await sql.fetchval("SELECT count(*) FROM images") == 3


async def test_f63_a_copy_is_stored_where_the_first_file_could_not_be(
    settings: Settings, service: RunningService, user: Account, make_account: MakeAccount, tmp_path: Path
) -> None:
    await (await make_account()).client.post("/v1/images", files={"image": ("IMG_1.png", image_bytes("JPEG"))})
    body = png()
    for name in ("a/IMG_1.png", "b/unique.png", "c/copy.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(body)
    code, out = await run(settings, service.url, tmp_path, "--token", user.access_token)
    assert code == 1
    assert "1 uploaded, 1 skipped, 1 failed." in out
    assert f"failed: {tmp_path}/a/IMG_1.png" in out
    assert (await stored(user))["unique.png"] == ["b", "c"]


async def test_f26_clashes_fail_are_renamed_or_skipped(
    settings: Settings, service: RunningService, user: Account, make_account: MakeAccount, tmp_path: Path
) -> None:
    await (await make_account()).client.post("/v1/images", files={"image": ("IMG_1.png", image_bytes("JPEG"))})
    (tmp_path / "IMG_1.png").write_bytes(png())
    token = ("--token", user.access_token)
    assert (await run(settings, service.url, tmp_path, *token))[0] == 1
    code, out = await run(settings, service.url, tmp_path, *token, "--on-clash", "skip")
    assert (code, "1, the name is in use" in out) == (0, True)
    code, out = await run(settings, service.url, tmp_path, *token, "--on-clash", "rename", "--private")
    assert (code, "stored as IMG_1 (2).png" in out) == (0, True)
    found = (await user.client.get("/v1/images", params={"q": "visibility:private"})).json()["items"]
    assert [image["name"] for image in found] == ["IMG_1 (2).png"]


async def test_f26_concurrent_uploads_of_one_name_are_renamed(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    for number in range(20):
        (tmp_path / f"folder {number}").mkdir()
        (tmp_path / f"folder {number}" / "a.png").write_bytes(png())
    options = ("--token", user.access_token, "--jobs", "20", "--on-clash", "rename")
    code, out = await run(settings, service.url, tmp_path, *options)
    assert (code, "20 uploaded, 0 skipped, 0 failed." in out) == (0, True), out
    found = await stored(user)
    assert found.keys() == {"a.png", *(f"a ({number}).png" for number in range(2, 21))}
    assert sorted(found.values()) == sorted([f"folder {number}"] for number in range(20))


async def test_f64_one_bad_item_of_many_is_named_and_the_rest_is_stored(
    settings: Settings, service: RunningService, user: Account, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    """K13: each fault hits one step: listing, reading, the name, the server, and a file that is deleted meanwhile."""
    for number in range(120):
        (tmp_path / f"{number:03}.png").write_bytes(png((8, number + 1)))
    bad = {
        b"caf\xe9.png": png(),
        b"damaged.jpg": b"no image",
        b"line\nbreak.png": png((300, 1)),
        b"cut.png": png()[:-20],
    }
    for name, body in bad.items():
        (tmp_path / os.fsdecode(name)).write_bytes(body)
    os.mkfifo(tmp_path / "pipe.png")
    report = tmp_path / "report.jsonl.txt"
    options = ("--token", user.access_token, "--jobs", "1", "--report", str(report))
    process = await start(settings, service.url, tmp_path, *options)
    while await sql.fetchval("SELECT count(*) FROM images") == 0:
        await asyncio.sleep(0.01)
    # It is hashed with the second batch.
    (tmp_path / "119.png").unlink()
    out, error = await process.communicate()
    assert (process.returncode, error) == (1, b"")
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    failed = {Path(line["path"]).name: line["reason"] for line in lines if line["outcome"] == "failed"}
    assert failed.keys() == {"caf\ufffd.png", "damaged.jpg", "line\nbreak.png", "cut.png", "119.png"}
    assert all(failed.values())
    assert Counter(line["outcome"] for line in lines) == {"uploaded": 119, "failed": 5, "skipped": 1}
    assert b"119 uploaded, 1 skipped, 5 failed." in out
    assert await sql.fetchval("SELECT count(*) FROM images") == 119


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("7", 7, 7),
        ("3600", 30, 30),
        ("Sat, 28 Nov 2020 17:30:00 GMT", 0, 0),
        ("Sat, 28 Nov 2099 17:30:00 GMT", 30, 30),
        ("soon", 1, 1),
        ("-5", 1, 1),
        ("9" * 5000, 1, 1),
        (None, 1, 1),
    ],
)
def test_f65_both_forms_of_retry_after_are_understood(value: str | None, low: float, high: float) -> None:
    assert low <= seconds_to_wait(value) <= high


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
async def test_f66_unreadable_files_and_folders_fail(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    (tmp_path / "locked.png").write_bytes(png())
    (tmp_path / "locked.png").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    code, out = await run(settings, service.url, tmp_path, "--token", user.access_token)
    (tmp_path / "closed").chmod(0o700)
    assert (code, "0 uploaded, 0 skipped, 2 failed." in out) == (1, True)


async def test_f66_every_file_has_a_reason(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "damaged.jpg").write_bytes(b"")
    (tmp_path / "scan.tiff").write_bytes(b"II*\0" + bytes(40))
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / ".hidden.png").write_bytes(png())
    (tmp_path / "link.png").symlink_to("a.png")
    code, out = await run(settings, service.url, tmp_path, "--token", user.access_token)
    assert code == 1
    assert "1 uploaded, 4 skipped, 1 failed." in out
    for reason in ("unsupported type (.tiff)", "unsupported type (.txt)", "hidden", "symbolic link", "damaged image"):
        assert reason in out


async def test_f67_a_copy_in_another_folder_adds_its_tags(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    token = ("--token", user.access_token)
    body = png()
    for name in ("cats/a.png", "dogs/b.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(body)
    assert (await run(settings, service.url, tmp_path, *token))[0] == 0
    assert await stored(user) == {"a.png": ["cats", "dogs"]}
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "c.png").write_bytes(body)
    code, out = await run(settings, service.url, tmp_path, *token)
    assert (code, "0 uploaded, 3 skipped, 0 failed." in out) == (0, True)
    assert await stored(user) == {"a.png": ["birds", "cats", "dogs"]}


async def test_f68_folder_names_of_every_script_become_tags(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    folders = ("Zu\u0308rich", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e1b\u0e35\u0e43\u0e2b\u0e21\u0e48")
    for number, folder in enumerate(folders):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{number}.png").write_bytes(png((8, number + 1)))
    assert (await run(settings, service.url, tmp_path, "--token", user.access_token))[0] == 0
    response = await user.client.post("/v1/tags", json={"names": list(folders)})
    names = {tag["name"] for tag in response.json()["items"]}
    assert {tag for tags in (await stored(user)).values() for tag in tags} == names


async def test_f69_thumbnails_of_nas_systems_are_no_photos(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    for folder in ("@eaDir/x.png", "#recycle", "__MACOSX"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "SYNOPHOTO_THUMB_XL.png").write_bytes(png())
    code, out = await run(settings, service.url, tmp_path, "--token", user.access_token)
    assert (code, "0 uploaded, 3 skipped, 0 failed." in out, "3, hidden" in out) == (0, True, True)


async def test_f70_the_summary_follows_the_bars_in_a_terminal(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png((8, number + 1)))
    reader, writer = pty.openpty()
    arguments = ["-m", "app", "import", str(tmp_path), "--server", service.url, "--token", user.access_token]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment(settings) | {"TERM": "xterm"}, stdout=writer, stderr=writer
    )
    os.close(writer)
    output = await asyncio.to_thread(read_all, reader)
    assert await process.wait() == 0
    *_, bars, summary = re.split(r"(?=3 uploaded)", output)
    assert summary.startswith("3 uploaded, 0 skipped, 0 failed.")
    assert bars.removesuffix("\x1b[?25h").endswith("\n")
    last_frame = re.split(r"\x1b\[\d*A|\x1b\[2K", bars)
    assert sum("files" in line for line in last_frame[-2:]) <= 1
    assert "3/3" in bars


def read_all(descriptor: int) -> str:
    """Return what is written to a terminal until the program at its other end has ended."""
    output = b""
    # The end of a terminal is an error.
    with contextlib.suppress(OSError):
        while piece := os.read(descriptor, 65536):
            output += piece
    os.close(descriptor)
    return output.decode()


async def test_f71_wrong_options_are_reported_before_anything_is_sent(
    settings: Settings, service: RunningService, user: Account, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    token = ("--token", user.access_token)
    store = f"http://{settings.storage_endpoint}"
    for url, options, remedy in (
        (service.url, (*token, "--tag", "a/b"), "a tag can contain only letters"),
        ("127.0.0.1:1", token, "http://host:port"),
        ("http://127.0.0.1:1", token, "does not respond"),
        (store, token, "is not an Image-Tagged-System"),
        (service.url, (), "IMTS_TOKEN"),
        (service.url, ("--token", "wrong"), "POST /v1/users/me/api-keys"),
        (service.url, (*token, "--report", str(tmp_path / "no" / "report")), "cannot be written"),
    ):
        code, out = await run(settings, url, tmp_path, *options)
        plain = " ".join(re.sub("[\u2500-\u257f]", " ", out).split())
        assert (code, remedy in plain) == (2, True), out
    assert await sql.fetchval("SELECT count(*) FROM images") == 0


async def test_a_dry_run_changes_nothing(
    settings: Settings, service: RunningService, user: Account, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "damaged.png").write_bytes(b"")
    options = ("--server", service.url, "--token", user.access_token, "--dry-run", "--json")
    finished = await run_command(settings, "import", tmp_path, *options)
    assert (finished.code, "1, dry run: would be uploaded" in finished.output) == (1, True)
    lines = [json.loads(line) for line in finished.stdout.splitlines()]
    outcomes = [(Path(line["path"]).name, line["outcome"]) for line in lines]
    assert sorted(outcomes) == [("a.png", "skipped"), ("damaged.png", "failed")]
    assert await sql.fetchval("SELECT count(*) FROM images") == 0


async def test_f39_the_exact_file_name_is_stored(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    names = {'q"uote.png', "per%22cent.png", "\u00e9\u4e2d.png", "a;b.png"}
    for number, name in enumerate(sorted(names)):
        (tmp_path / name).write_bytes(png((8, number + 1)))
    assert (await run(settings, service.url, tmp_path, "--token", user.access_token))[0] == 0
    assert (await stored(user)).keys() == names


async def test_near_copies_are_skipped(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    folder, report = tmp_path / "photos", tmp_path / "report.jsonl"
    folder.mkdir()
    (folder / "a.png").write_bytes(photograph())
    (folder / "b.jpg").write_bytes(photograph(kind="JPEG"))
    (folder / "c.png").write_bytes(photograph("chelsea"))
    options = ("--token", user.access_token, "--skip-near", "--report", str(report))
    code, out = await run(settings, service.url, folder, *options, "--dry-run")
    assert (code, await stored(user)) == (0, {})
    code, out = await run(settings, service.url, folder, *options)
    assert (code, "2 uploaded, 1 skipped, 0 failed." in out) == (0, True), out
    assert "c.png" in await stored(user)
    results = [json.loads(line) for line in report.read_text().splitlines()]
    (skipped,) = (one for one in results if one["outcome"] == "skipped")
    assert skipped["reason"] == "a near copy is stored"
    assert skipped["image"] in {one["image"] for one in results if one["outcome"] == "uploaded"}
