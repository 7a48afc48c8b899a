import asyncio
import sys
from pathlib import Path

import asyncpg

from app.core.settings import Settings
from tests.accounts import Account
from tests.environment import environment
from tests.photos import image_bytes, png
from tests.server import RunningService


async def run(settings: Settings, url: str, directory: Path, *options: str) -> tuple[int, str]:
    arguments = ["-m", "app", "import", str(directory), "--server", url, *options]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment(settings), stdout=-1, stderr=-1
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


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
    assert "3 uploaded, 2 skipped, 1 failed." in out
    assert "broken.png: The file is damaged" in out
    found = (await user.client.get("/v1/images")).json()["items"]
    assert {image["name"]: image["tags"] for image in found} == {
        "a.png": ["holiday"],
        "b.jpg": ["cats big", "holiday"],
        "c.png": ["cats big", "holiday", "sofa"],
    }
    (tmp_path / "broken.png").unlink()
    code, out = await run(settings, service.url, tmp_path, *token)
    assert (code, "0 uploaded, 5 skipped, 0 failed." in out) == (0, True)
    assert await sql.fetchval("SELECT count(*) FROM images") == 3


async def test_a_refusal_is_said(settings: Settings, service: RunningService, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    assert (await run(settings, service.url, tmp_path))[0] == 2
    assert (await run(settings, "http://127.0.0.1:1", tmp_path))[0] == 2
