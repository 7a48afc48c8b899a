"""The commands, one file each."""

import typer

from app.cli.dev import dev
from app.cli.import_ import import_folder
from app.cli.migrate import migrate
from app.cli.serve import serve
from app.cli.sweep import sweep

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (dev, serve, migrate, sweep):
    app.command()(command)
app.command("import")(import_folder)
