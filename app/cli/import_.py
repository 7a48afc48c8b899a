import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from app.core.errors import AppError
from app.core.tag_names import normalize_tag
from app.images.inspection import HeaderReader

LOOKUP_BATCH = 100
READ_BYTES = 1024 * 1024
TRIES = 5
MAX_WAIT_SECONDS = 30
_MANY_PIXELS = 1 << 62  # the server judges sizes, we only tell images from other files
_HEADER_CHUNK_BYTES = 64 * 1024
STORED = "stored already"
NO_IMAGE = "no image of a supported type"


def import_folder(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, metavar="DIR")],
    tag: Annotated[list[str] | None, typer.Option(help="A tag for every image; repeatable.")] = None,
    server: Annotated[str, typer.Option(help="The service's address.")] = "http://127.0.0.1:8000",
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Uploads at a time.")] = 4,
    token: Annotated[str, typer.Option(envvar="IMTS_TOKEN", help="An access token or an API key.")] = "",
) -> None:
    """Upload a folder: folder names become tags, what is stored already is skipped; it can be stopped and run again.

    Exit code 0: everything is stored now; 1: some files could not be; 2: the server does not answer or refuses us.
    """
    paths = list(_files(directory))
    files = [found for path in paths if (found := _candidate(directory, path, tag or []))]
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, console=console) as counted,
        Progress(
            TextColumn("bytes"),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        ) as measured,
    ):
        count = counted.add_task("files", total=len(files))
        total = measured.add_task("bytes", total=sum(file.size for file in files))
        run = _Import(server, token, lambda: counted.advance(count), lambda size: measured.advance(total, size))
        run.skipped.update({NO_IMAGE: len(paths) - len(files)} if len(paths) > len(files) else {})
        try:
            asyncio.run(run.run(files, jobs))
        except KeyboardInterrupt:
            console.print("Stopped; run it again to go on.")
            raise typer.Exit(130) from None
        except (httpx.HTTPError, _Refused) as error:
            typer.echo(f"{server}: {error or type(error).__name__}", err=True)
            raise typer.Exit(2) from error
        finally:
            _summarize(run)
    raise typer.Exit(1 if run.failed else 0)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int
    tags: tuple[str, ...]


class _Refused(Exception):
    """The server takes nothing from us."""


@dataclass(slots=True)
class _Import:
    """One run; `skipped` counts the reasons, `failed` names the files."""

    server: str
    token: str
    count: Callable[[], None]
    measure: Callable[[int], None]
    uploaded: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[Path, str]] = field(default_factory=list)

    async def run(self, files: list[_File], jobs: int) -> None:
        """Upload what is not stored yet."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        slots = asyncio.Semaphore(jobs)
        async with httpx.AsyncClient(base_url=self.server, headers=headers, timeout=60) as client:
            for start in range(0, len(files), LOOKUP_BATCH):
                batch = files[start : start + LOOKUP_BATCH]
                digests = await asyncio.gather(*(asyncio.to_thread(_digest, file.path) for file in batch))
                stored = await self._lookup(client, digests)
                async with asyncio.TaskGroup() as uploads:
                    for file, digest in zip(batch, digests, strict=True):
                        if digest in stored:
                            self._skip(file, STORED)
                        else:
                            # The same file twice in a batch is one image.
                            stored.add(digest)
                            uploads.create_task(self._upload(client, file, slots))

    async def _lookup(self, client: httpx.AsyncClient, digests: list[str]) -> set[str]:
        answer = await _patiently(lambda: client.post("/v1/images/lookup", json={"sha256": digests}))
        if answer.status_code != httpx.codes.OK:
            raise _Refused(_reason(answer))
        return {item["sha256"] for item in answer.json()["items"]}

    async def _upload(self, client: httpx.AsyncClient, file: _File, slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                answer = await _patiently(lambda: self._send(client, file))
            except (OSError, httpx.HTTPError) as error:
                self._fail(file, str(error) or type(error).__name__)
                return
        if answer.status_code == httpx.codes.CREATED:
            self.uploaded += 1
            self.count()
        else:
            self._fail(file, _reason(answer))

    async def _send(self, client: httpx.AsyncClient, file: _File) -> httpx.Response:
        with file.path.open("rb") as content:
            measured = _Measured(content, self.measure)
            part = (file.path.name, measured, "application/octet-stream")
            return await client.post("/v1/images", files={"image": part}, data={"tags": list(file.tags)})  # type: ignore[dict-item]

    def _skip(self, file: _File, reason: str) -> None:
        self.skipped[reason] += 1
        self.count()
        self.measure(file.size)

    def _fail(self, file: _File, reason: str) -> None:
        self.failed.append((file.path, reason))
        self.count()


class _Measured:
    """A file that tells how much of it was read."""

    def __init__(self, content: IO[bytes], measure: Callable[[int], None]) -> None:
        self._content, self._measure = content, measure

    def read(self, size: int = -1) -> bytes:
        data = self._content.read(size)
        self._measure(len(data))
        return data

    def fileno(self) -> int:
        return self._content.fileno()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()


def _files(directory: Path) -> Iterator[Path]:
    """Yield the files below the folder in a stable order; hidden ones and links are left out."""
    for path in sorted(directory.rglob("*")):
        hidden = any(step.startswith(".") for step in path.relative_to(directory).parts)
        if not hidden and path.is_file() and not path.is_symlink():
            yield path


def _candidate(directory: Path, path: Path, tags: list[str]) -> _File | None:
    """Return the file with its tags, None when it is no image of a type that the service takes."""
    reader = HeaderReader(_MANY_PIXELS)
    try:
        with path.open("rb") as content:
            while chunk := content.read(_HEADER_CHUNK_BYTES):
                if reader.feed(chunk):
                    break
            else:
                reader.finish()
    except (OSError, AppError):
        return None
    folders = [found for step in path.relative_to(directory).parts[:-1] if (found := _tag(step))]
    return _File(path, path.stat().st_size, tuple(dict.fromkeys([*tags, *folders])))


def _tag(folder: str) -> str | None:
    # What a tag may not hold, such as a comma, stands between its words.
    words = "".join(char if char.isalnum() or char in "_-.:()'&!+~#" else " " for char in folder)
    try:
        return normalize_tag(words.lstrip("-~ "))
    except ValueError:
        return None


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


async def _patiently(send: Callable[[], Coroutine[Any, Any, httpx.Response]]) -> httpx.Response:
    """Send until the server is not busy; after TRIES times its last answer stands."""
    for attempt in range(TRIES):
        answer = await send()
        if answer.status_code not in (429, 503) or attempt == TRIES - 1:
            break
        await asyncio.sleep(min(MAX_WAIT_SECONDS, float(answer.headers.get("retry-after", 1))))
    return answer


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return f"the server answered {answer.status_code}"


def _summarize(run: _Import) -> None:
    typer.echo(f"{run.uploaded} uploaded, {run.skipped.total()} skipped, {len(run.failed)} failed.")
    for reason, count in run.skipped.most_common():
        typer.echo(f"  skipped: {count}, {reason}")
    for path, reason in run.failed:
        typer.echo(f"  failed: {path}: {reason}")
