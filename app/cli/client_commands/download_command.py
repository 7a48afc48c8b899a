"""`download`: write the files of the images that match a query into a folder."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from itertools import islice
from mimetypes import guess_extension
from pathlib import Path
from typing import Annotated, NamedTuple

import httpx
import typer
from rich.console import Console
from rich.progress import Progress

from app.cli.client_commands.client_options import DEFAULT_SERVER, Server, Token, connected_client, describe
from app.cli.options import JsonLines, Query
from app.cli.transfers.result_lines import ResultLines
from app.core.text.normalization import has_control
from client.python.imts_client import ApiError, DigestMismatch, ImageClient, ImageRead

_BATCH = 100
# The limit of file systems. The names of images have up to 1,000 bytes.
_MAX_NAME_BYTES = 255


class DownloadOutcome(StrEnum):
    """The outcome for one image."""

    DOWNLOADED = "downloaded"
    # The folder has the file already.
    KEPT = "kept"
    FAILED = "failed"


class DownloadResult(NamedTuple):
    """The outcome for one image, and the reason if it failed."""

    image: ImageRead
    path: Path
    outcome: DownloadOutcome
    reason: str = ""


def download(
    query: Query,
    directory: Annotated[Path, typer.Argument(file_okay=False, metavar="DIR", help="The folder of the files.")],
    jobs: Annotated[int, typer.Option(min=1, max=64, help="The number of concurrent downloads.")] = 4,
    server: Server = DEFAULT_SERVER,
    token: Token = "",
    as_json: JsonLines = False,
) -> None:
    """Write the files of the images that match a query into a folder, and compare their digests.

    Files that the folder has are kept, so an interrupted download continues when it is run again. Exit code 0: the
    folder has every image; 1: it has not, and the reasons are listed; 2: the query, the options or the server cannot be
    used; 3: the service failed.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{directory} cannot be created: {error.strerror}", param_hint="DIR") from error
    counts: Counter[DownloadOutcome] = Counter()
    failed: list[DownloadResult] = []
    lines = ResultLines(as_json=as_json)
    with connected_client(server, token) as client, Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("images", total=None)
        for result in _download_all(client, query, directory, jobs):
            counts[result.outcome] += 1
            if result.outcome is DownloadOutcome.FAILED:
                failed.append(result)
            lines.write(str(result.path), result.outcome, reason=result.reason, image=result.image.links.self_)
            bar.advance(task)
    numbers = ", ".join(f"{counts[outcome]} {outcome}" for outcome in DownloadOutcome)
    lines.summarize(f"{numbers}.")
    for result in failed:
        lines.summarize(f"  failed: {result.path}: {result.reason}")
    raise typer.Exit(1 if failed else 0)


def _download_all(client: ImageClient, query: str, directory: Path, jobs: int) -> Iterator[DownloadResult]:
    with ThreadPoolExecutor(jobs) as threads:
        for batch in _batches(client.search(query)):
            yield from threads.map(partial(_download, client, directory), batch)


def _batches(images: Iterable[ImageRead]) -> Iterator[list[ImageRead]]:
    iterator = iter(images)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _download(client: ImageClient, directory: Path, image: ImageRead) -> DownloadResult:
    path = directory / _file_name(image)
    try:
        if os.path.lexists(path):
            return _compare(image, path)
        client.download(image, path)
    except (ApiError, DigestMismatch, httpx.HTTPError, OSError) as error:
        return DownloadResult(image, path, DownloadOutcome.FAILED, describe(error))
    return DownloadResult(image, path, DownloadOutcome.DOWNLOADED)


def _file_name(image: ImageRead) -> str:
    """Return the name of the image, or its id if no file in the folder can have the name."""
    name = image.name
    # A service refuses the latter ones, but the server may be another program.
    is_invalid = has_control(name) or name in ("", ".", "..") or bool({"/", "\\"} & set(name))
    if is_invalid or len(name.encode()) > _MAX_NAME_BYTES:
        return f"{image.id}{guess_extension(image.content_type, strict=False) or ''}"
    return name


def _compare(image: ImageRead, path: Path) -> DownloadResult:
    """Return whether a file in the folder is the image. It is not replaced in either case."""
    with path.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() == image.sha256:
            return DownloadResult(image, path, DownloadOutcome.KEPT)
    return DownloadResult(image, path, DownloadOutcome.FAILED, "the folder has another file of this name")
