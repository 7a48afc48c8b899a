"""Clients that are generated from the OpenAPI document work."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.accounts import Account
from tests.support.photos import png

# Types are generated and checked in child processes.
pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
NPM_PACKAGES = ("openapi-typescript@7.13", "typescript@5")


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(  # noqa: S603 - the commands of this module
        [str(one) for one in arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )


def test_f72_errors_do_not_hide_what_a_client_cannot_parse() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    for path, item in document["paths"].items():
        for method, operation in item.items():
            responses = operation["responses"]
            assert {"4XX", "5XX"} <= responses.keys(), (method, path)
            content = responses.get("200", {}).get("content", {})
            if any(kind.startswith("image/") for kind in content):
                assert "application/octet-stream" in content, (method, path)


@pytest.mark.slow
def test_f72_the_generated_types_pass_tsc(tmp_path: Path) -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    (tmp_path / "package.json").write_text('{"private": true}')
    installed = run("npm", "install", "--no-save", "--no-audit", "--no-fund", *NPM_PACKAGES, cwd=tmp_path, timeout=300)
    if installed.returncode:
        pytest.skip(f"the packages are not available: {installed.stdout[-200:]}")
    commands = tmp_path / "node_modules" / ".bin"
    generated = run(commands / "openapi-typescript", ROOT / "docs" / "openapi.json", "-o", "api.d.ts", cwd=tmp_path)
    assert generated.returncode == 0, generated.stdout
    (tmp_path / "use.ts").write_text(
        'import type { paths } from "./api";\n'
        'type Page = paths["/v1/images"]["get"]["responses"]["200"]["content"]["application/json"];\n'
        "export const total = (page: Page): number => page.items.length;\n"
    )
    checked = run(commands / "tsc", "--strict", "--noEmit", "use.ts", "api.d.ts", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


async def test_f81_the_document_says_which_operations_need_credentials(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    paths = document["paths"]
    assert paths["/v1/users"]["post"]["security"] == []
    assert {} in paths["/v1/images"]["get"]["security"]
    for method, path in (("post", "/v1/tags"), ("get", "/v1/users/me"), ("get", "/v1/ops/requests")):
        security = paths[path][method]["security"]
        assert {} not in security
        assert {"Bearer": []} in security
    assert document["servers"]
    assert document["info"]["license"]["name"] == "MIT"
    assert document["components"]["schemas"]["ThumbnailSize"]["type"] == "integer"


async def test_f81_the_size_of_a_thumbnail_is_an_integer(user: Account) -> None:
    files = {"image": ("a.png", png(), "image/png")}
    image = (await user.client.post("/v1/images", files=files)).json()["links"]["thumbnail"]
    assert (await user.client.get(image, params={"size": 160})).status_code == 200
    refused = await user.client.get(image, params={"size": 161})
    assert refused.json()["errors"][0]["msg"] == "The value must be one of: 160, 320, 640, 1280."
