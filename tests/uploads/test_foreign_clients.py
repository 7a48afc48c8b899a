"""Uploads by other projects' clients, through a proxy that cuts their connections.

The clients are installed for the test. Without their registry, it is skipped.
"""

import asyncio
import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.tcp_proxy import FaultProxy, fault_proxy

# Installing the packages takes ten seconds and needs a registry.
pytestmark = pytest.mark.slow

SIZE = 12_000_000
CUT_SECONDS = 0.4
CUTS = 4
NODE_PACKAGES = ("tus-js-client@4", "@uppy/core@6", "@uppy/tus@6")

TUS_JS = """
import fs from "node:fs";
import * as tus from "tus-js-client";
const [url, token, path] = process.argv.slice(2);
function start(uploadUrl, pauseAt) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(fs.createReadStream(path), {
      endpoint: `${url}/v1/uploads`, uploadUrl, retryDelays: Array(30).fill(200), chunkSize: 2_000_000,
      uploadSize: fs.statSync(path).size, headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: "tus.png" }, onError: reject,
      onSuccess: () => resolve(upload.url),
      onProgress: (sent) => {
        if (pauseAt && sent > pauseAt) { pauseAt = 0; upload.abort().then(() => resolve(upload.url)); }
      },
    });
    upload.start();
  });
}
await start(await start(null, 3_000_000), 0);
"""

UPPY = """
import fs from "node:fs";
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
const [url, token, path] = process.argv.slice(2);
const uppy = new Uppy().use(Tus, {
  endpoint: `${url}/v1/uploads`, retryDelays: Array(30).fill(200), chunkSize: 2_000_000,
  headers: { Authorization: `Bearer ${token}` }, allowedMetaFields: ["filename"], storeFingerprintForResuming: false,
});
// In node, tus-js-client reads buffers and no blobs.
const data = fs.readFileSync(path);
data.size = data.length;
uppy.addFile({ name: "tus.png", type: "image/png", data, meta: { filename: "tus.png" } });
let paused = false;
uppy.on("upload-progress", (file, progress) => {
  if (!paused && progress.bytesUploaded > 3_000_000) {
    paused = true;
    uppy.pauseResume(file.id);
    setTimeout(() => uppy.pauseResume(file.id), 300);
  }
});
const result = await uppy.upload();
process.exit(result.successful.length === 1 ? 0 : 1);
"""

TUSPY = """
import sys
from tusclient.client import TusClient
url, token, path = sys.argv[1:]
client = TusClient(f"{url}/v1/uploads", headers={"Authorization": f"Bearer {token}"})
options = {"chunk_size": 2_000_000, "retries": 30, "retry_delay": 0.2}
first = client.uploader(path, metadata={"filename": "tus.png"}, **options)
first.upload(stop_at=3_000_000)
client.uploader(path, url=first.url, **options).upload()
"""


async def run(*command: str | Path, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(240):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()[-3000:]


async def install(*command: str | Path, folder: Path) -> None:
    code, output = await run(*command, folder=folder)
    if code:
        pytest.skip(f"the packages are not available: {output[-300:]}")


async def install_node(folder: Path) -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    (folder / "package.json").write_text('{"private": true}')
    await install("npm", "install", "--no-save", "--no-audit", "--no-fund", *NODE_PACKAGES, folder=folder)


async def cut_again_and_again(proxy: FaultProxy) -> None:
    for _ in range(CUTS):
        await asyncio.sleep(CUT_SECONDS)
        proxy.cut()


async def uploaded(user: Account, folder: Path, *program: str | Path) -> None:
    """Upload an image with a program, and expect its bytes."""
    body = noise_png(SIZE)
    path = folder / "image.png"
    path.write_bytes(body)
    async with fault_proxy(str(user.client.base_url).rstrip("/").removeprefix("http://")) as proxy:
        proxy.set(bytes_per_second=6_000_000)
        cuts = asyncio.create_task(cut_again_and_again(proxy))
        code, output = await run(*program, f"http://{proxy.address}", user.access_token, path, folder=folder)
        is_cut = cuts.done()
        cuts.cancel()
    assert code == 0, output
    assert is_cut, "the upload ended before the connections were cut"
    (image,) = (await user.client.get("/v1/images")).json()["items"]
    assert (image["name"], image["sha256"]) == ("tus.png", hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("program", [TUS_JS, UPPY], ids=["tus-js-client", "uppy"])
async def test_clients_of_javascript(user: Account, tmp_path: Path, program: str) -> None:
    await install_node(tmp_path)
    (tmp_path / "upload.mjs").write_text(program)
    await uploaded(user, tmp_path, "node", "upload.mjs")


async def test_tuspy(user: Account, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    await install(sys.executable, "-m", "venv", tmp_path / "venv", folder=tmp_path)
    await install(python, "-m", "pip", "install", "--quiet", "tuspy==1.1.0", folder=tmp_path)
    (tmp_path / "upload.py").write_text(TUSPY)
    await uploaded(user, tmp_path, python, "upload.py")
