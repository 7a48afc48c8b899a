"""The command line. Each command is a module."""

from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from app import VERSION

COMMANDS = {
    "dev": "devstack.dev_command:dev",
    "serve": "app.cli.serve:serve",
    "migrate": "app.cli.migrate:migrate",
    "sweep": "app.cli.sweep:sweep",
    "reprocess": "app.cli.reprocess:reprocess",
    "create-admin": "app.cli.create_admin:create_admin",
    "create-user": "app.cli.create_user:create_user",
    "set-password": "app.cli.set_password:set_password",
    "search": "app.cli.client_commands.search_command:search",
    "tag": "app.cli.client_commands.tag_command:tag",
    "download": "app.cli.client_commands.download_command:download",
    "import": "app.cli.importing.import_command:import_folder",
    "export": "app.cli.archive.exporting.export_command:export",
    "restore": "app.cli.archive.restoring.restore_command:restore",
    "completion": "app.cli.completion.completion_command:completion",
}


def make_cli(arguments: list[str]) -> typer.Typer:
    """Return the command line. Only the called command is imported, because some imports take a second."""
    cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @cli.callback()
    def image_tagged_system(
        _version: Annotated[
            bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        """Stores images and finds them by their tags."""

    called = [name for name in arguments[:1] if name in COMMANDS]
    for name in [] if arguments == ["--version"] else called or COMMANDS:
        module, _, function = COMMANDS[name].partition(":")
        # The production image does not contain the development servers.
        if find_spec(module.partition(".")[0]):
            cli.command(name)(getattr(import_module(module), function))
    return cli


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"Image-Tagged-System {VERSION}")
        raise typer.Exit
