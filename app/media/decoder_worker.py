"""A decoder: the only process that ever decodes what strangers sent. Run by `pool`, never imported by the service.

It reads jobs from its standard input and answers on its standard output: a line of JSON each way, with as many bytes
behind it as its `length` says. Its address space is bounded once, its processor time for each job; whatever passes the
bounds ends it, and the pool starts another. It knows nothing of the service and is given none of its secrets: its
environment has none, and of the service's memory and open files it inherits nothing.

A file that takes the process over runs as the service's own user. `apply_sandbox` has restricted it, as far
as the kernel has Landlock (Linux 5.13, if not left out). It keeps the processor and the memory of its limits, libraries
to read, and connections: to whatever listens on the object store's port, before Linux 6.7 to any port, to sockets in
the file system, and by UDP. Without Landlock it can read what that user can, also the service's environment under
/proc: where that is too much, the service as a whole needs a sandbox.
"""

import ctypes
import http.client
import io
import json
import os
import resource
import signal
import ssl
import struct
import sys
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

sys.path.remove(_ROOT)

NICENESS = 5
BUFFER_BYTES = 256 * 1024
READ_SECONDS = 10
MAX_FRAMES = 2000
# Where modules, libraries and certificates lie, and what tells a host's address.
READABLE = [
    *sys.path,
    *filter(None, ssl.get_default_verify_paths()[:2]),
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/local/lib",
]
READABLE += [f"/etc/{name}" for name in ("hosts", "host.conf", "nsswitch.conf", "resolv.conf", "gai.conf")]
# landlock(7) and prctl(2); the numbers are the same on every architecture.
_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_BELOW_PATH, _TO_PORT = 1, 2
_ANY_FILE_ACCESS, _READ_FILE, _READ_DIRECTORY = (1 << 13) - 1, 1 << 2, 1 << 3
_ANY_TCP, _CONNECT_TCP = 3, 2
_ANY_SCOPE = 3
# mallopt(3): blocks of this size are mapped, each on its own.
_M_MMAP_THRESHOLD, MAPPED_BYTES = -3, 1024 * 1024
Result = tuple[dict[str, Any], bytes]


class SourceFailed(Exception):
    """The object store does not give the bytes."""


class RemoteFile(io.RawIOBase):
    """An object of the store as a file: read as it is needed, from wherever the decoder asks, held nowhere."""

    def __init__(self, url: str, length: int) -> None:
        self._url = urlsplit(url)
        self._length = length
        self._position = 0
        self._body: http.client.HTTPResponse | None = None
        self._connection: http.client.HTTPConnection | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

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
    """Decode every frame to its end; return the size that is displayed."""
    picture = open_bounded(job, source)
    size = displayed_size(picture.image.size, picture.orientation)
    if picture.jpeg is not None:
        require_every_block(picture.image, picture.jpeg)
    elif job["format"] in ("PNG", "GIF"):
        require_every_row(lambda: reopen(job, source), lambda image: load_frames(job, image))
    else:
        load_frames(job, picture.image)
    return {"width": size[0], "height": size[1]}, b""


def measure(job: dict[str, Any], source: IO[bytes]) -> Result:
    """Return the size that is displayed, without decoding the pixels."""
    picture = open_bounded(job, source)
    width, height = displayed_size(picture.image.size, picture.orientation)
    return {"width": width, "height": height}, b""


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


def load_frames(job: dict[str, Any], image: ImageFile.ImageFile) -> None:
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
    if chunks is not None and chunks.data_end > job["size_bytes"]:
        raise PixelsMissing("the file ends within its pixels")


def require_few_pixels(job: dict[str, Any], frames: int, image: Image.Image) -> None:
    """Raise TooLarge for more frames or pixels than a job may have."""
    if frames > MAX_FRAMES or frames * image.width * image.height > job["max_pixels"]:
        raise TooLarge(f"{frames} frames of {image.width} x {image.height} are too many pixels")


def handle_job(job: dict[str, Any], source: IO[bytes]) -> Result:
    """Do one job; return its answer. A file that makes a decoder raise, whatever it raises, is a damaged file."""
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


TASKS = {"check": check, "measure": measure, "thumbnail": thumbnail}


def serve(jobs: IO[bytes], answers: IO[bytes]) -> None:
    """Do the jobs until the service closes the pipe."""
    while line := jobs.readline():
        job = json.loads(line)
        body = jobs.read(job["length"])
        resource.setrlimit(resource.RLIMIT_AS, (job["memory_bytes"], resource.getrlimit(resource.RLIMIT_AS)[1]))
        # The default action of SIGPROF ends the process, also in the midst of a decoder that never looks at signals.
        signal.setitimer(signal.ITIMER_PROF, job["cpu_seconds"])
        if job["url"] is None:
            head, result = handle_job(job, io.BytesIO(body))
        else:
            with io.BufferedReader(RemoteFile(job["url"], job["size_bytes"]), BUFFER_BYTES) as source:
                head, result = handle_job(job, source)
        signal.setitimer(signal.ITIMER_PROF, 0)
        del body
        answers.write(json.dumps({"error": None, **head, "length": len(result)}).encode() + b"\n" + result)
        answers.flush()


def apply_sandbox(port: int) -> bool:
    """Give up, for good, what no decoder needs; False where the kernel cannot take it.

    Landlock (landlock(7)): files are read below READABLE only, none is written or run; no other process is looked into
    or, from Linux 6.12 on, sent a signal; from 6.7 on TCP leads to `port` only.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    handled = struct.pack("QQQ", _ANY_FILE_ACCESS, _ANY_TCP, _ANY_SCOPE)
    known = handled[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = libc.syscall(_CREATE_RULESET, known, len(known), 0)
    for path in filter(Path.exists, map(Path, READABLE)):
        rights = _READ_FILE | _READ_DIRECTORY if path.is_dir() else _READ_FILE
        opened = os.open(path, os.O_PATH)
        libc.syscall(_ADD_RULE, rules, _BELOW_PATH, struct.pack("=Qi", rights, opened), 0)
        os.close(opened)
    if version >= 4:
        libc.syscall(_ADD_RULE, rules, _TO_PORT, struct.pack("QQ", _CONNECT_TCP, port), 0)
    confined: bool = libc.syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return confined


def return_freed_memory() -> None:
    """Let glibc return large blocks when they are freed: it would keep those of one job while the next needs them."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)


def main() -> None:
    """Give up what a decoder does not need, then serve."""
    memory, port = (int(argument) for argument in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for none in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(none, (0, 0))
    apply_sandbox(port)
    os.nice(NICENESS)
    # Ctrl-C reaches the whole process group; the service says when a decoder ends, by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return_freed_memory()
    configure()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
