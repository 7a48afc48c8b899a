"""The output of the command line without a server."""

import asyncio
import os
import subprocess
import sys

from app import VERSION
from tests.support.paths import ROOT


def test_f91_the_command_line_reports_its_version() -> None:
    command = [sys.executable, "-m", "app", "--version"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert finished.stdout == f"Image-Tagged-System {VERSION}\n"


async def test_a_database_that_is_down_is_one_line() -> None:
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "migrate"), env=environment, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await worker.communicate()
    assert worker.returncode == 1
    assert errors.decode().startswith("The database does not respond")
    assert errors.count(b"\n") == 1
