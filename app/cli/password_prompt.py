"""Reads a new password from the terminal or from standard input."""

import getpass
import sys
from typing import Literal, overload

import typer

from app.users.accounts.password_policy import MAX_LENGTH, check_differs_from_address, check_new_password

# A character has at most four bytes in UTF-8, and a line end two.
_MAX_LINE = 4 * MAX_LENGTH + 2


@overload
def read_new_password(email: str, prompt: str = "Password", *, optional: Literal[False] = False) -> str: ...
@overload
def read_new_password(email: str, prompt: str = "Password", *, optional: Literal[True]) -> str | None: ...
def read_new_password(email: str, prompt: str = "Password", *, optional: bool = False) -> str | None:
    """Return a new password for this account, in NFC, from the terminal (asked twice) or one line of standard input.

    With `optional`, an empty line returns None. An unacceptable password ends the command with exit code 2.
    """
    password = _ask_twice(prompt) if sys.stdin.isatty() else _read_line()
    if optional and not password:
        return None
    try:
        checked = check_new_password(password)
        check_differs_from_address(checked, email)
    except ValueError as error:
        raise _refusal(str(error)) from error
    return checked


def _read_line() -> str:
    try:
        return sys.stdin.buffer.readline(_MAX_LINE).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _refusal("The password is not valid UTF-8.") from error


def _refusal(reason: str) -> typer.Exit:
    typer.echo(f"The password is not accepted: {reason}", err=True)
    return typer.Exit(2)


def _ask_twice(prompt: str) -> str:
    first = getpass.getpass(f"{prompt}: ")
    if first and getpass.getpass(f"{prompt} again: ") != first:
        typer.echo("The two passwords differ.", err=True)
        raise typer.Exit(2)
    return first
