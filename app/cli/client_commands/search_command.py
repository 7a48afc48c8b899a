"""`search`: print the images that match a query."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from app.cli.client_commands.client_options import DEFAULT_SERVER, Server, Token, connected_client
from app.cli.options import JsonLines, Query
from app.core.text.normalization import has_control
from client.python.imts_client import ImageClient, ImageRead, expect, iterate_items
from client.python.imts_client.generated.api.images import list_images
from client.python.imts_client.generated.models import ImagePage
from client.python.imts_client.generated.types import Unset

_PAGE_ITEMS = 100


def search(
    query: Query,
    sort: Annotated[str, typer.Option(help="The order, such as name, -size or random:1.")] = "-created",
    limit: Annotated[int | None, typer.Option(min=1, help="The maximum number of images; without it, all.")] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = "",
    as_json: JsonLines = False,
) -> None:
    """Print the images that match a query. Without a token, these are public images.

    Exit code 0: the query is valid; 2: it is not, or the options or the server cannot be used; 3: the service failed.
    """
    with connected_client(server, token) as client:
        for image in islice(_find(client, query, sort, min(limit or _PAGE_ITEMS, _PAGE_ITEMS)), limit):
            typer.echo(_json_line(image) if as_json else _line(image))


def _find(client: ImageClient, query: str, sort: str, limit: int) -> Iterator[ImageRead]:
    """Yield the images. Print the suggestions of an empty page to standard error."""

    def fetch(cursor: str | Unset) -> ImagePage:
        response = list_images.sync_detailed(client=client.api, q=query, sort=sort, limit=limit, cursor=cursor)
        page = expect(response, ImagePage)
        for hint in page.hints or ():
            typer.echo(f"{hint.message} Try: {hint.query}", err=True)
        return page

    return iterate_items(fetch)


def _json_line(image: ImageRead) -> str:
    """Return the image as the API does, with `Z` for UTC."""
    return json.dumps({**image.to_dict(), "created_at": image.created_at.isoformat().replace("+00:00", "Z")})


def _line(image: ImageRead) -> str:
    line = f"{image.id}  {image.name}  {image.width}x{image.height}  {', '.join(image.tags)}".rstrip()
    # A terminal would interpret the control characters of a server that is another program.
    return "".join("?" if has_control(one) else one for one in line)
