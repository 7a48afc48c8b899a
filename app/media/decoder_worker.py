"""The decoder process: decodes untrusted files. The pool starts it as a program; the service never imports it.

Standard input has jobs, standard output results: a line of JSON each way, followed by `length` bytes. Memory is limited
for the process, processor time for each job. A job over a limit ends the process, and the pool starts another. The
process has no secrets of the service: its environment has none, and it inherits no memory and no open files.

A file that takes the process over runs as the service's own user, within the limits of `app.media.sandbox`. It keeps
processor time and memory, libraries to read, and connections: to the object store's port (before Linux 6.7 to any
port), to sockets in the file system, and by UDP. Without Landlock it can read all that the user can, such as the
service's environment under /proc. If that is too much, run the whole service in a sandbox.
"""

import ctypes
import http.client
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from PIL import Image, ImageFile

# Isolated Python (-I) finds no module of the service. Later the service's folder is out of reach.
_ROOT = str(Path(__file__).parents[2])
sys.path.insert(0, _ROOT)
from app.media.decoding.errors import PixelsMissing, TooLarge  # noqa: E402
from app.media.decoding.exif import displayed_size  # noqa: E402
from app.media.decoding.jpeg_blocks import require_every_block  # noqa: E402
from app.media.decoding.opening import OpenedPicture, configure, open_picture  # noqa: E402
from app.media.decoding.rendering import render_thumbnail  # noqa: E402
from app.media.decoding.rows import require_every_row  # noqa: E402
from app.media.decoding.seekable_stream import SeekableStream  # noqa: E402
from app.media.hashing.perceptual_hash import hash_pixels  # noqa: E402
from app.media.hashing.pixel_digest import digest_pixels  # noqa: E402
from app.media.image_properties import HASH_BYTES, PerceptualHash  # noqa: E402
from app.media.metadata.photo_metadata import NO_METADATA, PhotoMetadata, read_metadata  # noqa: E402
from app.media.sandbox import apply_sandbox, limit_job, limit_process, lower_priority  # noqa: E402

sys.path.remove(_ROOT)

BUFFER_BYTES = 256 * 1024
READ_SECONDS = 10
MAX_FRAMES = 2000
# mallopt(3): blocks of this size are mapped, each on its own.
_M_MMAP_THRESHOLD, MAPPED_BYTES = -3, 1024 * 1024
Result = tuple[dict[str, Any], bytes]


class SourceFailed(Exception):
    """The object store does not give the bytes."""


class RemoteFile(SeekableStream):
    """An object of the store as a file. Bytes are requested when the decoder reads them, and are not kept."""

    def __init__(self, url: str, length: int) -> None:
        super().__init__()
        self._url = urlsplit(url)
        self._length = length
        self._body: http.client.HTTPResponse | None = None
        self._connection: http.client.HTTPConnection | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        target = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        if target != self._position:
            self._disconnect()
            self._position = max(0, target)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._length:
            return 0
        try:
            if self._body is None:
                self._body = self._request()
            count = self._body.readinto(buffer)
        except (OSError, http.client.HTTPException) as error:
            raise SourceFailed from error
        if count == 0:
            raise SourceFailed
        self._position += count
        return count

    def close(self) -> None:
        self._disconnect()
        super().close()

    def _request(self) -> http.client.HTTPResponse:
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(self._url.netloc, timeout=READ_SECONDS)
        headers = {"Range": f"bytes={self._position}-"}
        self._connection.request("GET", f"{self._url.path}?{self._url.query}", headers=headers)
        response = self._connection.getresponse()
        if response.status not in (200, 206):
            raise SourceFailed
        return response

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._body = None


def check(job: dict[str, Any], source: IO[bytes]) -> Result:
    """Decode every frame to its end; return the displayed size, the hash of the first frame, and the metadata."""
    photo = find_metadata(source)
    picture = open_bounded(job, source)
    size = displayed_size(picture.image.size, picture.orientation)
    if picture.jpeg is not None:
        found = hash_of(picture, require_every_block(picture.image, picture.jpeg))
    else:
        found = check_frames(job, source, picture)
    hashed = {"hash": found.bits.hex(), "hash_quality": found.quality}
    return {"width": size[0], "height": size[1], **hashed, "metadata": photo.to_json()}, b""


def check_frames(job: dict[str, Any], source: IO[bytes], picture: OpenedPicture) -> PerceptualHash:
    """Decode every frame of a picture that is no JPEG; return the hash of the first one."""
    hashes: list[PerceptualHash] = []

    def load(image: ImageFile.ImageFile) -> None:
        load_frames(job, image, lambda: hashes.append(hash_of(picture, image)))

    if job["format"] in ("PNG", "GIF"):
        require_every_row(lambda: reopen(job, source), load)
    else:
        load(picture.image)
    return hashes[-1] if hashes else PerceptualHash(bytes(HASH_BYTES), 0)


def hash_of(picture: OpenedPicture, pixels: Image.Image) -> PerceptualHash:
    """Return the hash of the decoded pixels of a picture."""
    return hash_pixels(pixels, picture.orientation, picture.colour_key)


def measure(job: dict[str, Any], source: IO[bytes]) -> Result:
    """Return the size that is displayed, without decoding the pixels."""
    picture = open_bounded(job, source)
    width, height = displayed_size(picture.image.size, picture.orientation)
    return {"width": width, "height": height}, b""


def metadata(_job: dict[str, Any], source: IO[bytes]) -> Result:
    """Return the metadata, without opening the picture."""
    return {"metadata": find_metadata(source).to_json()}, b""


def find_metadata(source: IO[bytes]) -> PhotoMetadata:
    """Return the metadata of a file, and leave the file at its start. No damage of it is an error."""
    try:
        return read_metadata(source)
    except SourceFailed:
        raise
    except Exception:  # noqa: BLE001
        return NO_METADATA
    finally:
        source.seek(0)


def pixels(job: dict[str, Any], source: IO[bytes]) -> Result:
    """Return the digest of the pixels of the first frame."""
    return {"pixel_sha256": digest_pixels(open_bounded(job, source)).hex()}, b""


def thumbnail(job: dict[str, Any], source: IO[bytes]) -> Result:
    """Return the first frame as WebP."""
    return {}, render_thumbnail(open_bounded(job, source), job["size"])


def open_bounded(job: dict[str, Any], source: IO[bytes]) -> OpenedPicture:
    """Open the file as what its header said it is. Raises TooLarge."""
    picture = open_picture(job["format"], source)
    require_few_pixels(job, 1, picture.image)
    return picture


def reopen(job: dict[str, Any], source: IO[bytes]) -> ImageFile.ImageFile:
    """Open the file from its beginning."""
    source.seek(0)
    return open_picture(job["format"], source).image


def load_frames(job: dict[str, Any], image: ImageFile.ImageFile, on_first_frame: Callable[[], None]) -> None:
    """Decode every frame. Raises TooLarge, PixelsMissing."""
    frames = getattr(image, "n_frames", 1)
    chunks = getattr(image, "png", None)
    for frame in range(frames):
        require_few_pixels(job, frames, image)
        try:
            image.seek(frame)
        except (EOFError, OSError, SyntaxError):
            # The file has fewer frames than it states; how many it states is ancillary.
            break
        image.load()
        if frame == 0:
            on_first_frame()
    if chunks is not None and chunks.data_end > job["size_bytes"]:
        raise PixelsMissing("the file ends within its pixels")


def require_few_pixels(job: dict[str, Any], frames: int, image: Image.Image) -> None:
    """Raise TooLarge for more frames or pixels than a job may have."""
    if frames > MAX_FRAMES or frames * image.width * image.height > job["max_pixels"]:
        raise TooLarge(f"{frames} frames of {image.width} x {image.height} are too many pixels")


def handle_job(job: dict[str, Any], source: IO[bytes]) -> Result:
    """Run one job and return its result. A file on which a decoder raises any exception is damaged."""
    try:
        return TASKS[job["task"]](job, source)
    except SourceFailed:
        return {"error": "source"}, b""
    except TooLarge as error:
        return {"error": "too-large", "detail": str(error)}, b""
    except MemoryError:
        return {"error": "too-large", "detail": "Decoding it takes too much memory"}, b""
    except Exception as error:  # noqa: BLE001
        return {"error": "invalid", "detail": f"{type(error).__name__}: {error}"[:200]}, b""


TASKS = {"check": check, "measure": measure, "metadata": metadata, "pixels": pixels, "thumbnail": thumbnail}


def serve(jobs: IO[bytes], results: IO[bytes]) -> None:
    """Do the jobs until the service closes the pipe."""
    while line := jobs.readline():
        job = json.loads(line)
        body = jobs.read(job["length"])
        with limit_job(job["memory_bytes"], job["cpu_seconds"]):
            if job["url"] is None:
                head, result = handle_job(job, io.BytesIO(body))
            else:
                with io.BufferedReader(RemoteFile(job["url"], job["size_bytes"]), BUFFER_BYTES) as source:
                    head, result = handle_job(job, source)
        del body
        results.write(json.dumps({"error": None, **head, "length": len(result)}).encode() + b"\n" + result)
        results.flush()


def return_freed_memory() -> None:
    """Let glibc return large blocks when they are freed: it would keep those of one job while the next needs them."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)


def main() -> None:
    """Give up what a decoder does not need, then serve."""
    memory, port = (int(argument) for argument in sys.argv[1:])
    limit_process(memory)
    apply_sandbox(port)
    lower_priority()
    # Ctrl-C reaches the whole process group; the service says when a decoder ends, by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return_freed_memory()
    configure()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
