"""Directories of the workers: each worker locks a numbered directory under TELEMETRY_SPILL_DIR.

The operating system releases the lock (flock) when the process ends. A directory without a lock therefore belongs to
no live worker, and the process that locks it may deliver the write-ahead log in it. TELEMETRY_SPILL_DIR must be on a
local disk: flock is unreliable on network file systems.
"""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.telemetry.recording.write_ahead_log import has_batches

MAX_DIRECTORIES = 1024


@dataclass(slots=True)
class WorkerDirectory:
    """A directory that this process owns until `release`."""

    path: Path
    _lock: int

    def release(self) -> None:
        """Unlock the directory. The lock file stays: its removal would race with the next owner."""
        os.close(self._lock)


def claim_directory(root: Path) -> WorkerDirectory:
    """Lock the first free directory. Raises OSError if it cannot be created or written."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(MAX_DIRECTORIES):
        if claimed := _claim(root / f"{number:04d}"):
            return claimed
    raise OSError(f"all {MAX_DIRECTORIES} telemetry directories of {root} are taken")


def claim_abandoned(root: Path) -> Iterator[WorkerDirectory]:
    """Lock the directories that contain batches of ended workers."""
    for directory in worker_directories(root):
        if has_batches(directory) and (claimed := _claim(directory)):
            yield claimed


def worker_directories(root: Path) -> list[Path]:
    """Return the directories of all workers, ended ones included."""
    return sorted(root.glob("[0-9][0-9][0-9][0-9]"))


def _claim(directory: Path) -> WorkerDirectory | None:
    directory.mkdir(exist_ok=True, mode=0o700)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return WorkerDirectory(directory, lock)
