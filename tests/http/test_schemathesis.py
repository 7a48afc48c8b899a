"""Schemathesis finds no difference between the OpenAPI document and the service; `schemathesis.toml` configures it."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.accounts import Account

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--phases", "fuzzing", "--max-examples", "1")
LONG = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "50")


async def findings(account: Account, folder: Path, *options: str) -> str:
    """Run schemathesis with a fixed seed; return its report, empty when there is no finding."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--no-color"),
        *("--config-file", str(ROOT / "schemathesis.toml"), "run", str(account.client.base_url.join("/openapi.json"))),
        *("--header", f"Authorization: Bearer {account.access_token}", "--seed", "1", *options),
    ]
    finished = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env={**os.environ, "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert re.search(r"\d+ (passed|generated)", finished.stdout), finished.stdout[-3000:]
    (folder / "report.txt").write_text(finished.stdout)
    return finished.stdout.partition("FAILURES")[2] or finished.stdout if finished.returncode else ""


async def test_k15_schemathesis_finds_nothing_in_a_short_run(admin: Account, tmp_path: Path) -> None:
    assert await findings(admin, tmp_path, *SHORT) == ""


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_k15_schemathesis_finds_nothing_in_a_long_run(user: Account, admin: Account, tmp_path: Path) -> None:
    for account in (user, admin):
        assert await findings(account, tmp_path, *LONG) == ""
