"""Results as lines of JSON: one for each item, in the file of `--report` and on standard output with `--json`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated

import typer

ReportPath = Annotated[
    Path | None, typer.Option("--report", help="Write path, outcome and reason of each file as JSON lines.")
]


@dataclass(slots=True)
class ResultLines:
    """Writes nothing without a file and without `as_json`."""

    file: IO[str] | None = None
    as_json: bool = False

    def write(self, path: str, outcome: str, **optional: str | None) -> None:
        """Write a line with those of the optional values that are not empty."""
        line = json.dumps({"path": path, "outcome": outcome, **{key: one for key, one in optional.items() if one}})
        if self.file is not None:
            print(line, file=self.file)
        if self.as_json:
            typer.echo(line)

    def summarize(self, text: str) -> None:
        """Print a line for people. With `--json`, standard output has JSON only."""
        typer.echo(text, err=self.as_json)


@contextmanager
def open_lines(report: Path | None, *, as_json: bool) -> Iterator[ResultLines]:
    """Open the file of `--report`, if there is one. Raises typer.BadParameter."""
    try:
        opened = nullcontext() if report is None else report.open("w", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{report} cannot be written: {error.strerror}", param_hint="--report") from error
    with opened as file:
        yield ResultLines(file, as_json)
