"""An import run: hashes files in batches, tags the stored ones and uploads the others.

Each file has its own result. A failed file does not end the run.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import httpx

from app.cli.client_commands.client_options import describe
from app.cli.importing.import_client import ImportClient
from app.cli.importing.import_files import Candidate, Outcome, Result
from app.cli.importing.import_responses import RequestFailed
from app.cli.importing.resumable_upload import StoredImage

BATCH = 100
STORED = "already stored"
_WOULD_UPLOAD = "dry run: would be uploaded"


@dataclass(slots=True)
class ImportRun:
    """Stores candidates and records their results. `measure` receives the number of bytes sent or skipped."""

    client: ImportClient
    jobs: int
    skips_clashes: bool
    skips_near: bool
    is_dry_run: bool
    record: Callable[[Result], None]
    measure: Callable[[int], None]
    _slots: asyncio.Semaphore = field(init=False)
    # One at a time: a near copy of a file that is still being uploaded would not be found.
    _near: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.jobs)

    async def run(self, candidates: Sequence[Candidate]) -> None:
        """Record a result for each of the candidates."""
        for start in range(0, len(candidates), BATCH):
            await self._run_batch(candidates[start : start + BATCH])

    async def _run_batch(self, batch: Sequence[Candidate]) -> None:
        copies: dict[str, list[Candidate]] = defaultdict(list)
        for one, digest in zip(batch, await asyncio.gather(*map(self._digest, batch)), strict=True):
            if digest is not None:
                copies[digest].append(one)
        try:
            stored = await self.client.find_stored(list(copies)) if copies else {}
        except (RequestFailed, httpx.HTTPError) as error:
            for one in chain.from_iterable(copies.values()):
                self._fail(one, error)
            return
        tagged: list[tuple[Candidate, str]] = []
        async with asyncio.TaskGroup() as group:
            for digest, same in copies.items():
                if digest in stored:
                    tagged += [(one, stored[digest]) for one in same]
                else:
                    group.create_task(self._store_first(digest, same, tagged))
        await self._add_tags(tagged)

    async def _digest(self, one: Candidate) -> str | None:
        """Return the SHA-256 digest of a file, or record the failure and return None."""
        async with self._slots:
            try:
                return await asyncio.to_thread(_sha256, one.path)
            except OSError as error:
                self._fail(one, error)
                return None

    async def _store_first(self, digest: str, copies: Sequence[Candidate], tagged: list[tuple[Candidate, str]]) -> None:
        """Upload the first file that succeeds of several equal ones. The others add their tags to its image."""
        for number, one in enumerate(copies):
            image = await self._upload(one, digest)
            if image is not None:
                # Another client may have stored the file since the lookup.
                rest = copies[number + 1 :] if image.is_new else copies[number:]
                tagged += [(other, image.path) for other in rest]
                return

    async def _upload(self, one: Candidate, digest: str) -> StoredImage | None:
        """Return the image, or record the result and return None."""
        if not self.skips_near:
            return await self._upload_any(one, digest)
        async with self._near:
            try:
                near = await self.client.find_near(one)
            except (RequestFailed, OSError, httpx.HTTPError, UnicodeError) as error:
                self._fail(one, error)
                return None
            if near is None:
                return await self._upload_any(one, digest)
        self._skip(one, "a near copy is stored", near.path)
        return None

    async def _upload_any(self, one: Candidate, digest: str) -> StoredImage | None:
        """Return the image, or record the failure and return None."""
        if self.is_dry_run:
            self._skip(one, _WOULD_UPLOAD)
            return None
        async with self._slots:
            try:
                image = await self.client.upload(one, digest, self.measure)
            except RequestFailed as error:
                if error.slug == "name-taken" and self.skips_clashes:
                    self._skip(one, "the name is in use")
                else:
                    self._fail(one, error)
                return None
            except (OSError, httpx.HTTPError, UnicodeError) as error:
                self._fail(one, error)
                return None
        if image.is_new:
            renamed = "" if image.name == one.path.name else f"stored as {image.name}"
            self.record(Result(one.path, Outcome.UPLOADED, renamed, image.path))
        return image

    async def _add_tags(self, tagged: Sequence[tuple[Candidate, str]]) -> None:
        """Add the tags of these copies to the stored images, with one request for each distinct list of tags."""
        by_tags: dict[tuple[str, ...], list[tuple[Candidate, str]]] = defaultdict(list)
        for one, image in tagged:
            by_tags[one.tags].append((one, image))
        for tags, pairs in by_tags.items():
            try:
                if tags and not self.is_dry_run:
                    await self.client.add_tags([image for _, image in pairs], tags)
            except (RequestFailed, httpx.HTTPError) as error:
                for one, _ in pairs:
                    self._fail(one, error, "stored, but its tags were not added: ")
                continue
            for one, image in pairs:
                self.measure(one.size)
                self.record(Result(one.path, Outcome.STORED, STORED, image))

    def _skip(self, one: Candidate, reason: str, image: str | None = None) -> None:
        self.measure(one.size)
        self.record(Result(one.path, Outcome.SKIPPED, reason, image))

    def _fail(self, one: Candidate, error: Exception, prefix: str = "") -> None:
        self.record(Result(one.path, Outcome.FAILED, prefix + describe(error)))


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
