"""The TypeScript client: its types, its compilation, and a journey by node."""

import asyncio
import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from app import VERSION
from tests.images.files import noise_png
from tests.support.accounts import PASSWORD, Account
from tests.support.paths import ROOT
from tests.support.photos import png
from tests.support.server import RunningService
from tests.support.tcp_proxy import fault_proxy
from tools import clients

FOLDER = ROOT / "client" / "typescript"
JOURNEY = Path(__file__).with_name("typescript_journey.ts")
MB = 1_000_000


def test_the_typescript_client_names_its_version_and_no_registry() -> None:
    text = (FOLDER / "package.json").read_text()
    assert json.loads(text)["version"] == VERSION
    assert "http" not in text


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled client. `@SMALL@` and `@LARGE@` of the journey stand for files of each test."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("typescript")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copyfile(JOURNEY, folder / "src" / "journey.ts")
    installed = run("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", folder=folder)
    if installed.returncode:
        pytest.skip(f"the packages are not available: {installed.stdout[-200:]}")
    checked = run("npm", "run", "build", folder=folder)
    assert checked.returncode == 0, checked.stdout
    return folder


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the commands of this module
        arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100, check=False
    )


@pytest.mark.slow
def test_f72_the_types_are_those_of_the_document() -> None:
    generated = clients.generate(offline=False) / clients.TYPESCRIPT
    if not generated.exists():
        pytest.skip("openapi-typescript is not available")
    assert generated.read_text() == clients.TARGETS[clients.TYPESCRIPT].read_text()


@pytest.mark.slow
async def test_f72_the_typescript_client_makes_a_journey(
    compiled: Path, service: RunningService, user: Account
) -> None:
    body = noise_png(6 * MB)
    stored = await user.client.post("/v1/images", files={"image": ("stored.png", body)}, timeout=60)
    journey = compiled / "dist" / "journey.js"
    text = journey.read_text().replace("@SMALL@", base64.b64encode(png()).decode())
    journey.write_text(text.replace("@LARGE@", stored.json()["id"]))
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        proxy.set(bytes_per_second=20 * MB, unavailable=1)
        arguments = ("dist/journey.js", service.url, f"http://{proxy.address}", user.email, PASSWORD)
        running = asyncio.create_task(asyncio.to_thread(run, "node", *arguments, folder=compiled))
        while proxy.sent < 5 * MB and not running.done():
            await asyncio.sleep(0.005)
        proxy.cut()
        finished = await running
        # The second connection began at the offset of the server.
        assert proxy.sent < 11 * MB
    assert (finished.returncode, finished.stdout) == (0, "the journey ended\n")
