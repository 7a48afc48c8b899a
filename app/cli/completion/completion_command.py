"""`completion`: print a script that completes the commands and options in a shell."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli import make_cli
from app.cli.completion.shell_scripts import CommandWords, OptionWords, bash_script, fish_script

ROOT = Path(__file__).resolve().parents[3]


class Shell(StrEnum):
    """A shell with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell that runs the script.")]) -> None:
    """Print a script that defines `imts`, short for `python -m app`, with completion of commands and options.

    Bash and zsh: eval "$(python -m app completion bash)". Fish: python -m app completion fish | source.
    """
    script = fish_script if shell is Shell.FISH else bash_script
    start = "autoload -U +X bashcompinit && bashcompinit\n" if shell is Shell.ZSH else ""
    typer.echo(start + script(_commands(), sys.executable, str(ROOT)), nl=False)


def _commands() -> list[CommandWords]:
    group = typer.main.get_command(make_cli([]))
    commands = getattr(group, "commands", {})
    return [CommandWords(name, one.get_short_help_str(), _options(one.params)) for name, one in commands.items()]


def _options(parameters: list[typer.core.TyperOption]) -> list[OptionWords]:
    """Return the long options. An argument has no option string."""
    return [
        OptionWords(name, one.help or "", tuple(getattr(one.type, "choices", ())), takes_value=not one.is_flag)
        for one in parameters
        for name in (*one.opts, *one.secondary_opts)
        if name.startswith("--")
    ]
