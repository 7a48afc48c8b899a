"""`tag`: add tags to the images that match a query, and remove others."""

import json
from typing import Annotated

import typer

from app.cli.client_commands.client_options import DEFAULT_SERVER, Server, Token, connected_client
from app.cli.options import JsonLines, Query


def tag(
    query: Query,
    add: Annotated[list[str] | None, typer.Option(help="A tag to add; repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to remove; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report the numbers, without changes.")] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = "",
    as_json: JsonLines = False,
) -> None:
    """Change the tags of up to 10,000 images that match a query and that the account may change.

    Exit code 0: all of them have the tags; 2: the options or the server cannot be used; 3: the service failed.
    """
    if not add and not remove:
        raise typer.BadParameter("a tag to add or to remove is required", param_hint="--add, --remove")
    with connected_client(server, token) as client:
        result = client.tag(query, add or (), remove or (), dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({**result.to_dict(), "dry_run": dry_run}))
        return
    change = "would change" if dry_run else "changed"
    batch = f" The batch in the history is {result.batch}." if result.batch else ""
    typer.echo(f"{result.matched} images match, {result.changed} {change}.{batch}")
