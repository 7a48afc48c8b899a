"""Sessions with curl and wget."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.server import RunningService

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode(errors="replace")


async def curl(*arguments: str) -> tuple[int, str]:
    return await run("curl", "-sS", *arguments)


@needs_curl
async def test_ranges_resuming_and_conditions(service: RunningService, user: Account, tmp_path: Path) -> None:
    body = noise_png(200_000)
    made = await user.client.post("/v1/images", files={"image": ("a b.png", body)})
    url = service.url + made.json()["links"]["content"]
    target = tmp_path / "got"

    assert (await curl("-r", "10-19", "-o", str(target), url))[0] == 0
    assert target.read_bytes() == body[10:20]

    target.write_bytes(body[:70_000])
    assert (await curl("-C", "-", "-o", str(target), url))[0] == 0
    assert target.read_bytes() == body

    known = ("-o", str(tmp_path / "none"), "-w", "%{http_code}", url)
    assert (await curl("-z", "Thu, 01 Jan 2037 00:00:00 GMT", *known))[1] == "304"
    assert (await curl("-z", "Fri, 01 Jan 1999 00:00:00 GMT", *known))[1] == "200"
    assert (await curl("--etag-save", str(tmp_path / "etag"), *known))[1] == "200"
    assert (await curl("--etag-compare", str(tmp_path / "etag"), *known))[1] == "304"

    assert (await curl("-OJ", "--output-dir", str(tmp_path), f"{url}?download=true"))[0] == 0
    assert (tmp_path / "a b.png").read_bytes() == body


@pytest.mark.skipif(shutil.which("wget") is None, reason="wget is not installed")
async def test_wget_continues_an_interrupted_download(service: RunningService, user: Account, tmp_path: Path) -> None:
    body = noise_png(200_000)
    made = await user.client.post("/v1/images", files={"image": ("猫.png", body)})
    url = service.url + made.json()["links"]["content"]
    target = tmp_path / "got"
    target.write_bytes(body[:70_000])
    assert (await run("wget", "-q", "-c", "-O", str(target), url))[0] == 0
    assert target.read_bytes() == body
    # The file is already complete: 416.
    assert (await run("wget", "-q", "-c", "-O", str(target), url))[0] == 0
    assert target.read_bytes() == body


@needs_curl
async def test_an_upload_with_expect_100_continue(service: RunningService, user: Account, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(noise_png(3_000_000))
    sent = ("-H", f"Authorization: Bearer {user.access_token}", "-H", "Expect: 100-continue", "-w", "%{http_code}")
    form = ("-F", f"image=@{tmp_path / 'a.png'}", "-F", "tags=cat", "-o", "/dev/null", f"{service.url}/v1/images")
    assert (await curl(*sent, *form))[1] == "201"
    assert (await curl(*sent, *form))[1] == "409"
