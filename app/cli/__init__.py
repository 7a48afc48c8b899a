"""The commands, one file each."""

from importlib import import_module

import typer

COMMANDS = {
    "dev": "app.cli.dev",
    "serve": "app.cli.serve",
    "migrate": "app.cli.migrate",
    "sweep": "app.cli.sweep",
    "create-admin": "app.cli.create_admin",
}


def make_cli(arguments: list[str]) -> typer.Typer:
    """Return the command line; only the command that is called is imported, since some take a second to."""
    cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @cli.callback()
    def image_tagged_system() -> None:
        """Stores images and finds them by their tags."""

    called = [name for name in arguments[:1] if name in COMMANDS]
    for name in called or COMMANDS:
        cli.command(name)(getattr(import_module(COMMANDS[name]), name.replace("-", "_")))
    return cli
