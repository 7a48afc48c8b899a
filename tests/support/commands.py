"""Commands of `python -m app`, run in a thread of the test's process."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from app.cli import make_cli
from app.core.settings import Settings
from tests.support.environment import environment


class Finished(NamedTuple):
    """The exit code and the output of a command; `output` also has standard error."""

    code: int
    output: str
    stdout: str


async def run_command(settings: Settings, *arguments: str | Path) -> Finished:
    """Run a command with these settings. Raises what it raises instead of an exit."""
    words = [str(one) for one in arguments]
    cli = make_cli(words)
    result = await asyncio.to_thread(CliRunner().invoke, cli, words, env=dict(environment(settings)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Finished(result.exit_code, result.output, result.stdout)
