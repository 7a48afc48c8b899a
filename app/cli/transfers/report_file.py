"""The file of `--report`: one line of JSON for each item."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Annotated

import typer

ReportPath = Annotated[
    Path | None, typer.Option("--report", help="Write path, outcome and reason of each file as JSON lines.")
]


def open_report(path: Path | None) -> AbstractContextManager[IO[str] | None]:
    """Open the file for writing; None without a path. Raises typer.BadParameter."""
    if path is None:
        return nullcontext()
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}", param_hint="--report") from error


def write_result(report: IO[str] | None, path: str, outcome: str, **optional: str | None) -> None:
    """Write a line with those of the optional values that are not empty. Does nothing without a file."""
    if report is not None:
        line = {"path": path, "outcome": outcome, **{key: one for key, one in optional.items() if one}}
        print(json.dumps(line), file=report)
