"""How the commands read a new password."""

import getpass
import sys

import typer

from app.users.password_policy import MAX_LENGTH, check_new_password


def read_new_password(prompt: str = "Password", *, optional: bool = False) -> str | None:
    """Return a new password in NFC: asked twice in a terminal, else one line of standard input.

    With `optional`, an empty line returns None. A password that is refused ends the command with exit code 2.
    """
    password = _ask_twice(prompt) if sys.stdin.isatty() else sys.stdin.readline(MAX_LENGTH + 2).rstrip("\r\n")
    if optional and not password:
        return None
    try:
        return check_new_password(password)
    except ValueError as error:
        typer.echo(f"The password was refused: it {error}.", err=True)
        raise typer.Exit(2) from error


def _ask_twice(prompt: str) -> str:
    first = getpass.getpass(f"{prompt}: ")
    if first and getpass.getpass(f"{prompt} again: ") != first:
        typer.echo("The two passwords differ.", err=True)
        raise typer.Exit(2)
    return first
