"""The scripts of shells that complete commands and options.

They contain all words. The scripts of typer start the program for each completion, and need it as a file on PATH.
"""

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# The name of the function that runs the program.
PROGRAM = "imts"


class OptionWords(NamedTuple):
    """An option, and the values if it has a choice."""

    name: str
    help: str
    choices: tuple[str, ...]
    takes_value: bool


class CommandWords(NamedTuple):
    """A command and its options."""

    name: str
    help: str
    options: Sequence[OptionWords]


def bash_script(commands: Sequence[CommandWords], python: str, root: str) -> str:
    """Return the script for bash, which zsh also runs after `bashcompinit`. Other words are file names."""
    choices = {option.name: option.choices for command in commands for option in command.options if option.choices}
    lines = [
        f'{PROGRAM}() {{ PYTHONPATH={shlex.quote(root)} {shlex.quote(python)} -m app "$@"; }}',
        f"_{PROGRAM}_words() {{",
        *_case('"$2"', ((name, values) for name, values in choices.items())),
        *_case('"$1"', ((command.name, [option.name for option in command.options]) for command in commands)),
        "}",
        f"_{PROGRAM}() {{",
        "    local current=${COMP_WORDS[COMP_CWORD]} words",
        f'    if [ "$COMP_CWORD" -eq 1 ]; then words="{" ".join(command.name for command in commands)}"',
        f'    else words=$(_{PROGRAM}_words "${{COMP_WORDS[1]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"); fi',
        '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        f"complete -o default -F _{PROGRAM} {PROGRAM}",
    ]
    return "\n".join(lines) + "\n"


def fish_script(commands: Sequence[CommandWords], python: str, root: str) -> str:
    """Return the script for fish."""
    lines = [f"function {PROGRAM}", f"    PYTHONPATH={_fish(root)} {_fish(python)} -m app $argv", "end"]
    for command in commands:
        is_first = f"complete -c {PROGRAM} -n __fish_use_subcommand"
        lines.append(f"{is_first} -f -a {command.name} -d {_fish(command.help)}")
        seen = _fish(f"__fish_seen_subcommand_from {command.name}")
        for option in command.options:
            value = f" -x -a {_fish(' '.join(option.choices))}" if option.choices else " -r" * option.takes_value
            name = option.name.removeprefix("--")
            lines.append(f"complete -c {PROGRAM} -n {seen} -l {name}{value} -d {_fish(option.help)}")
    return "\n".join(lines) + "\n"


def _case(word: str, branches: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Return a `case` that prints the words of a branch and ends the function."""
    lines = [f'    {pattern}) echo "{" ".join(words)}"; return ;;' for pattern, words in branches]
    return [f"    case {word} in", *lines, "    esac"]


def _fish(text: str) -> str:
    """Return a word that fish reads as the text: within single quotes, it knows only these two escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
