"""The commands `search`, `tag` and `download` against the service."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.core.settings import Settings
from tests.support.accounts import Account
from tests.support.commands import Finished, run_command
from tests.support.photos import png
from tests.support.server import RunningService, serving

BODY = b"the bytes of an image"
IMAGE: dict[str, Any] = {
    **dict.fromkeys(("taken_at", "camera", "uploaded_by")),
    "content_type": "image/png",
    "size": len(BODY),
    "width": 1,
    "height": 1,
    "visibility": "public",
    "tags": [],
    "created_at": "2026-11-29T12:00:00Z",
    "links": {"self": "", "content": "", "thumbnail": ""},
    "sha256": hashlib.sha256(BODY).hexdigest(),
}


async def upload(account: Account, name: str, tags: str, visibility: str = "public") -> bytes:
    photo = png()
    form = {"tags": tags, "visibility": visibility}
    response = await account.client.post("/v1/images", files={"image": (name, photo)}, data=form)
    assert response.status_code == 201, response.text
    return photo


def objects(finished: Finished) -> list[dict[str, object]]:
    return [json.loads(line) for line in finished.stdout.splitlines()]


async def test_search_prints_lines_or_json(settings: Settings, service: RunningService, user: Account) -> None:
    await asyncio.gather(upload(user, "a.png", "cat,sofa"), upload(user, "b.png", "cat", "private"))
    server, token = ("--server", service.url), ("--token", user.access_token)

    code, output, _ = await run_command(settings, "search", "cat", *server, *token, "--sort", "name")
    assert code == 0, output
    assert [line.split("  ")[1:] for line in output.splitlines()] == [
        ["a.png", "8x6", "cat, sofa"],
        ["b.png", "8x6", "cat"],
    ]
    # Without a token, a private image is not found.
    finished = await run_command(settings, "search", "cat", *server, "--json")
    stored = (await user.client.get("/v1/images", params={"q": "sofa"})).json()["items"]
    assert objects(finished) == stored
    limited = await run_command(settings, "search", "*", *server, *token, "--json", "--limit", "1", "--sort", "-name")
    assert [one["name"] for one in objects(limited)] == ["b.png"]
    negated = await run_command(settings, "search", *server, *token, "--", "-sofa")
    assert "b.png" in negated.output

    empty = await run_command(settings, "search", "cot", *server, "--json")
    assert (empty.code, empty.stdout) == (0, "")
    assert "Try: " in empty.output


async def test_refused_commands_have_a_reason_and_a_code(
    settings: Settings, service: RunningService, tmp_path: Path
) -> None:
    server = ("--server", service.url)
    code, output, _ = await run_command(settings, "search", "(cat", *server)
    assert (code, "The group is not closed." in output, "Position 4." in output) == (2, True, True)
    code, output, _ = await run_command(settings, "tag", "cat", "--add", "dog", *server)
    assert (code, "IMTS_TOKEN" in output) == (2, True)
    assert (await run_command(settings, "tag", "cat", *server)).code == 2
    for address in ("ftp://host", "http://host:port", "host"):
        assert (await run_command(settings, "search", "cat", "--server", address)).code == 2
    assert (await run_command(settings, "search", "cat", *server, "--token", "caf\u00e9")).code == 2
    code, output, _ = await run_command(settings, "search", "cat", "--server", "http://127.0.0.1:1")
    assert (code, "does not respond" in output) == (3, True)
    # A page of HTML is no page of images.
    async with serving(HTMLResponse("<h1>Welcome</h1>")) as url:
        code, output, _ = await run_command(settings, "search", "cat", "--server", url)
    assert (code, "is not an Image-Tagged-System" in output) == (2, True), output
    (tmp_path / "file").touch()
    assert (await run_command(settings, "download", "cat", tmp_path / "file", *server)).code == 2


async def test_a_hostile_server_changes_only_its_folder(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    names = ("../outside.png", "..", "\x1b[2Jscreen.png", str(tmp_path / "absolute.png"), "endless.png")
    items = [{**IMAGE, "id": str(uuid.uuid4()), "name": name} for name in names]
    page = {"items": items, "query": "", "next_cursor": None}

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(1 << 20)
            await asyncio.sleep(0)

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        is_content = scope["path"].endswith("/content")
        is_endless = is_content and items[-1]["id"] in scope["path"]
        response = Response(BODY) if is_content else JSONResponse(page)
        await (StreamingResponse(endless()) if is_endless else response)(scope, receive, send)

    async with serving(respond) as url:
        found = await run_command(settings, "search", "*", "--server", url)
        finished = await run_command(settings, "download", "*", folder, "--server", url)
    assert "\x1b" not in found.output
    assert (finished.code, "4 downloaded, 0 kept, 1 failed." in finished.output) == (1, True), finished.output
    assert "endless.png: " in finished.output
    expected = {folder.parent, folder, *(folder / f"{item['id']}.png" for item in items[:-1])}
    assert set(tmp_path.rglob("*")) == expected


async def test_tag_changes_the_images_of_a_query(
    settings: Settings, service: RunningService, user: Account, admin: Account
) -> None:
    await asyncio.gather(upload(user, "a.png", "cat"), upload(user, "b.png", "cat,dog"))
    options = ("--server", service.url, "--token", user.access_token)
    changes = ("--add", "pet", "--add", "animal", "--remove", "dog")
    code, output, _ = await run_command(settings, "tag", "cat", *changes, "--dry-run", *options)
    assert (code, output) == (0, "2 images match, 2 would change.\n")
    finished = await run_command(settings, "tag", "cat", *changes, "--json", *options)
    (result,) = objects(finished)
    assert (result["matched"], result["changed"], result["dry_run"]) == (2, 2, False)
    history = (await admin.client.get("/v1/history", params={"batch": str(result["batch"])})).json()["items"]
    assert len(history) == 5
    images = (await user.client.get("/v1/images", params={"q": "animal"})).json()["items"]
    assert [one["tags"] for one in images] == [["animal", "cat", "pet"]] * 2


async def test_download_writes_the_files_once(
    settings: Settings, service: RunningService, user: Account, tmp_path: Path
) -> None:
    long = f"{'ä' * 200}.png"
    names = ("a.png", "b.png", "c.png", long)
    photos = dict(zip(names, await asyncio.gather(*(upload(user, name, "cat") for name in names)), strict=True))
    folder = tmp_path / "new" / "folder"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(photos["a.png"])
    (folder / "b.png").write_bytes(b"other")
    options = ("--server", service.url, "--token", user.access_token)

    finished = await run_command(settings, "download", "cat", folder, "--json", *options)
    assert (finished.code, "2 downloaded, 1 kept, 1 failed." in finished.output) == (1, True)
    outcomes = {Path(str(one["path"])).name: one["outcome"] for one in objects(finished)}
    assert outcomes.pop("a.png") == "kept"
    assert outcomes.pop("b.png") == "failed"
    assert outcomes.pop("c.png") == "downloaded"
    (short,) = outcomes
    assert (folder / short).read_bytes() == photos[long]
    assert (folder / "b.png").read_bytes() == b"other"
    (folder / "b.png").unlink()
    code, output, _ = await run_command(settings, "download", "cat", folder, *options)
    assert (code, "1 downloaded, 3 kept, 0 failed." in output) == (0, True), output
    assert (folder / "b.png").read_bytes() == photos["b.png"]
    # No hidden file is left.
    assert len(list(folder.iterdir())) == len(names)
