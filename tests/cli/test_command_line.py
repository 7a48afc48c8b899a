"""The output of the command line without a server."""

import asyncio
import os
import subprocess
import sys
import tomllib

from app import VERSION
from app.cli import COMMANDS
from tests.support.paths import ROOT


def test_f91_the_command_line_reports_its_version() -> None:
    command = [sys.executable, "-m", "app", "--version"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert finished.stdout == f"Image-Tagged-System {VERSION}\n"


def test_each_command_is_a_script_of_the_pipfile() -> None:
    scripts = tomllib.loads((ROOT / "Pipfile").read_text())["scripts"]
    assert {name: scripts.get(name) for name in COMMANDS} == {name: f"python -m app {name}" for name in COMMANDS}


async def test_a_database_that_is_down_is_one_line() -> None:
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "migrate"), env=environment, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await worker.communicate()
    assert worker.returncode == 1
    assert errors.decode().startswith("The database does not respond")
    assert errors.count(b"\n") == 1
