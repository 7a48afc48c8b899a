"""The directories of the workers: each takes a numbered slot under the spill directory and holds its lock.

The lock (flock) goes with the process, however it ends. So a slot whose lock can be had belongs to nobody, and whatever
lies in it may be delivered by whoever takes it. The spill directory has to be on a local disk: flock over a network
file system is not to be relied upon.
"""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.telemetry.recording.write_ahead_log import has_batches

MAX_SLOTS = 1024


@dataclass(slots=True)
class WorkerDirectory:
    """A directory that is ours until `release`."""

    directory: Path
    _lock: int

    def release(self) -> None:
        """Give it back; the lock file stays, since removing it would race with the next owner."""
        os.close(self._lock)


def claim_directory(root: Path) -> WorkerDirectory:
    """Take the first free slot. Raises OSError when the directory cannot be made or written."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(MAX_SLOTS):
        if slot := _claim(root / f"{number:04d}"):
            return slot
    raise OSError(f"all {MAX_SLOTS} telemetry slots of {root} are taken")


def claim_orphans(root: Path) -> Iterator[WorkerDirectory]:
    """Take the slots that a worker which is no more has left batches in."""
    for directory in worker_directories(root):
        if has_batches(directory) and (slot := _claim(directory)):
            yield slot


def worker_directories(root: Path) -> list[Path]:
    """Return the directories of all workers, past ones included."""
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
