"""The decoder processes: they start on demand and are replaced when a file has killed one.

The pool is not a `ProcessPoolExecutor`, which is permanently broken once a worker dies. Here a hostile file is expected
to kill its worker.
"""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import StorageUnavailable
from app.core.observability.duration_histogram import DurationHistogram
from app.media.errors import DecodersBusy, DecodersUnavailable, ImageTooLarge, InvalidImage
from app.media.image_properties import Dimensions, ImageProperties, PerceptualHash
from app.media.metadata.photo_metadata import PhotoMetadata

PROGRAM = Path(__file__).with_name("decoder_worker.py")
# Address space and processor time of a check: somewhat under 2 s, since the timer has the resolution of the clock tick.
MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 1.9
# A thumbnail costs more than the check, by bounded amounts: every accepted image gets its thumbnails.
THUMBNAIL_MEMORY_BYTES = MEMORY_BYTES + 192 * 1024 * 1024
THUMBNAIL_CPU_SECONDS = 2 * CPU_SECONDS
WALL_SECONDS = 30
# The longest wait of a job for a free decoder.
QUEUE_SECONDS = 30
# The lifetime of a file's URL: the wait, two attempts and a margin.
URL_SECONDS = QUEUE_SECONDS + 2 * WALL_SECONDS + 30
# A process exits at once when its socket ends or it is killed. After this timeout it is left to the system.
EXIT_TIMEOUT_SECONDS = 5
# The number of jobs after which a process is replaced, in case a decoder leaks.
MAX_JOBS = 1000
# One arena: each thread's own would reserve 64 MiB of the address space.
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "LC_ALL": "C.UTF-8"}
_BY_LIMIT = (-signal.SIGPROF, -signal.SIGXCPU)
_BY_CRASH = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE)
_FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/heic": "HEIF",
}
MEDIA_TYPES = tuple(_FORMATS)
TASKS = ("check", "measure", "metadata", "pixels", "thumbnail")


@dataclass(frozen=True, slots=True)
class DecoderInput:
    """A file to decode: its length, and its bytes in chunks or, if they are in the store, a URL for URL_SECONDS."""

    content_type: str
    size: int
    source: Sequence[bytes] | str


class _Decoder:
    """One process, and the socket that is its input and output."""

    def __init__(self, process: "subprocess.Popen[bytes]", reader: StreamReader, writer: StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.jobs = 0

    @classmethod
    async def start(cls, source_port: int) -> "_Decoder":
        try:
            process, end = _spawn([sys.executable, "-I", str(PROGRAM), str(THUMBNAIL_MEMORY_BYTES), str(source_port)])
        except OSError as error:
            # No memory, process or file descriptor is left.
            raise DecodersUnavailable from error
        try:
            return cls(process, *await asyncio.open_unix_connection(sock=end))
        except BaseException as error:
            end.close()
            process.kill()
            await asyncio.shield(asyncio.to_thread(process.wait, EXIT_TIMEOUT_SECONDS))
            if isinstance(error, OSError):
                raise DecodersUnavailable from error
            raise

    async def do(self, job: dict[str, Any], body: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
        """Return the result and its bytes. Raises asyncio.IncompleteReadError, OSError when the process ends."""
        self.jobs += 1
        self._writer.writelines([json.dumps(job).encode() + b"\n", *body])
        await self._writer.drain()
        head = json.loads(await self._reader.readuntil(b"\n"))
        return head, await self._reader.readexactly(head["length"])

    async def stop(self) -> None:
        """Kill the process."""
        self._process.kill()
        await self.exit_code()

    async def exit_code(self) -> int | None:
        """Return the code of a process that ends; None when it has not ended in time."""
        self._writer.close()
        try:
            return await asyncio.to_thread(self._process.wait, EXIT_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        except BaseException:
            # No other code ends the process.
            self._process.kill()
            raise


def _spawn(arguments: Sequence[str]) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start a program, and return it with our end of the socket that is its input and output. Raises OSError.

    Not by the event loop: uvloop forks this process to start another, and does nothing else for 10 ms.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            end = theirs.fileno()
            return subprocess.Popen(arguments, stdin=end, stdout=end, env=_ENVIRONMENT), ours  # noqa: S603
    except BaseException:
        ours.close()
        raise


class DecoderPool:
    """Decodes images, at most `processes` at once; others wait in order of arrival.

    A fair queue in front of it (`app/http/request_queues.py`) limits the places of each caller. `source_port` is the
    port of files' URLs; the processes can connect to no other port.
    """

    def __init__(self, processes: int, max_pixels: int, source_port: int) -> None:
        self._free = asyncio.Semaphore(processes)
        self._idle: list[_Decoder] = []
        self._max_pixels = max_pixels
        self._source_port = source_port
        # The time of the jobs of each task, without the wait for a decoder.
        self.durations = {task: DurationHistogram() for task in TASKS}

    async def check(self, file: DecoderInput) -> ImageProperties:
        """Decode the whole file; return its properties.

        Raises InvalidImage, ImageTooLarge; Unavailable when no decoder could do it.
        """
        head, _ = await self._do({"task": "check"}, file)
        return ImageProperties(
            Dimensions(head["width"], head["height"]),
            PerceptualHash(bytes.fromhex(head["hash"]), head["hash_quality"]),
            PhotoMetadata.from_json(head["metadata"]),
        )

    async def measure(self, file: DecoderInput) -> Dimensions:
        """Return the size of a file that was checked before. Raises like `check`."""
        head, _ = await self._do({"task": "measure"}, file)
        return Dimensions(head["width"], head["height"])

    async def read_metadata(self, file: DecoderInput) -> PhotoMetadata:
        """Return the metadata of a file. Raises like `check`, but never for a damaged file."""
        head, _ = await self._do({"task": "metadata"}, file)
        return PhotoMetadata.from_json(head["metadata"])

    async def digest_pixels(self, file: DecoderInput) -> bytes:
        """Return the SHA-256 of the decoded pixels, by the method PIXEL_VERSION. Raises like `check`."""
        limits = {"memory_bytes": THUMBNAIL_MEMORY_BYTES, "cpu_seconds": THUMBNAIL_CPU_SECONDS}
        head, _ = await self._do({"task": "pixels", **limits}, file)
        return bytes.fromhex(head["pixel_sha256"])

    async def make_thumbnail(self, file: DecoderInput, size: int) -> bytes:
        """Return a WebP that fits into a square of `size` pixels. Raises like `check`."""
        limits = {"memory_bytes": THUMBNAIL_MEMORY_BYTES, "cpu_seconds": THUMBNAIL_CPU_SECONDS}
        _, thumbnail = await self._do({"task": "thumbnail", "size": size, **limits}, file)
        return thumbnail

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            await self._idle.pop().stop()

    async def _do(self, task: dict[str, Any], file: DecoderInput) -> tuple[dict[str, Any], bytes]:
        is_inline = not isinstance(file.source, str)
        job = {
            "format": _FORMATS[file.content_type],
            "max_pixels": self._max_pixels,
            "memory_bytes": MEMORY_BYTES,
            "cpu_seconds": CPU_SECONDS,
            "url": None if is_inline else file.source,
            "size_bytes": file.size,
            "length": file.size if is_inline else 0,
            **task,
        }
        body = () if isinstance(file.source, str) else file.source
        async with self._slot():
            with self._measured(task["task"]):
                result = await self._run(job, body)
        _raise_for_error(result[0])
        return result

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Reserve one of the processes until the block ends. Raises DecodersBusy."""
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise DecodersBusy(f"No image decoder was available for {QUEUE_SECONDS} s") from None
        try:
            yield
        finally:
            self._free.release()

    async def _run(self, job: dict[str, Any], body: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
        decoder = self._idle.pop() if self._idle else await _Decoder.start(self._source_port)
        result = await self._attempt(decoder, job, body)
        if result is None:
            # A kill from outside, such as for lack of memory, proves nothing about the file: a new process tries.
            result = await self._attempt(await _Decoder.start(self._source_port), job, body)
        if result is None:
            raise DecodersUnavailable
        return result

    @contextmanager
    def _measured(self, task: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.durations[task].observe(time.perf_counter() - started)

    async def _attempt(
        self, decoder: _Decoder, job: dict[str, Any], body: Sequence[bytes]
    ) -> tuple[dict[str, Any], bytes] | None:
        try:
            async with asyncio.timeout(WALL_SECONDS):
                result = await decoder.do(job, body)
        except (asyncio.IncompleteReadError, OSError) as error:
            if isinstance(error, TimeoutError):
                await decoder.stop()
                raise DecodersUnavailable from error
            code = await decoder.exit_code()
            if code is None:
                # It closed its end and lives on.
                await decoder.stop()
            _raise_for_exit_code(code)
            return None
        except BaseException:
            # Cancelled during a job: the next job would read its result.
            await asyncio.shield(decoder.stop())
            raise
        if decoder.jobs < MAX_JOBS:
            self._idle.append(decoder)
        else:
            await decoder.stop()
        return result


def _raise_for_exit_code(code: int | None) -> None:
    if code in _BY_LIMIT:
        raise ImageTooLarge("Decoding the image takes too long")
    if code in _BY_CRASH:
        raise InvalidImage("The file is damaged")


def _raise_for_error(head: dict[str, Any]) -> None:
    match head["error"]:
        case None:
            return
        case "too-large":
            raise ImageTooLarge(head["detail"])
        case "source":
            raise StorageUnavailable
        case _:
            raise InvalidImage(f"The file is damaged: {head['detail']}")
