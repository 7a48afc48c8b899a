"""The scripts of `python -m app completion`."""

import asyncio
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import COMMANDS, make_cli
from app.cli.completion.shell_scripts import CommandWords, OptionWords, fish_script


@pytest.fixture(scope="module")
def bash_completion() -> str:
    result = CliRunner().invoke(make_cli(["completion"]), ["completion", "bash"])
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def completed(script: str, *words: str, shell: str = "bash") -> list[str]:
    """Return the completions of the last word."""
    line = f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _imts; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    command = [shell, "--norc", "-c", f"{script}\n{line}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603


def test_bash_completes_commands_options_and_choices(bash_completion: str) -> None:
    assert set(completed(bash_completion, "imts", "")) == COMMANDS.keys()
    assert completed(bash_completion, "imts", "dow") == ["download"]
    assert completed(bash_completion, "imts", "search", "--li") == ["--limit"]
    assert completed(bash_completion, "imts", "import", "folder", "--on-clash", "r") == ["rename"]
    assert completed(bash_completion, "imts", "unknown", "--") == []
    assert "--no-digests" in completed(bash_completion, "imts", "sweep", "--")


async def test_the_function_runs_the_program_in_another_folder(bash_completion: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "-c", f"{bash_completion}\nimts --version"), cwd=tmp_path, stdout=-1
    )
    output, _ = await process.communicate()
    assert output.startswith(b"Image-Tagged-System")


def test_zsh_and_fish_have_scripts() -> None:
    for shell in ("zsh", "fish"):
        result = CliRunner().invoke(make_cli(["completion"]), ["completion", shell])
        assert result.exit_code == 0
        assert "--on-clash" in result.stdout or "-l on-clash -x -a 'fail rename skip'" in result.stdout
        if program := shutil.which(shell):
            checked = subprocess.run(  # noqa: S603 - a shell
                [program, "-n"], input=result.stdout, capture_output=True, text=True, check=False
            )
            assert checked.returncode == 0, checked.stderr


def test_fish_reads_quotes_of_a_help_as_text() -> None:
    command = CommandWords("tag", r"The owner's \ tags", [OptionWords("--add", "", (), takes_value=True)])
    script = fish_script([command], "python", "/a b")
    assert r"-d 'The owner\'s \\ tags'" in script
    assert "PYTHONPATH='/a b'" in script
    assert "-l add -r" in script
