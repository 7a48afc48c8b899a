"""The data directory of a stack. Whatever a stack writes is in it:

.gitignore             "*"; only where the stack made the directory itself
lock                   flock of the running stack; its text is that process's id
secrets.json           passwords and S3 keys, made once (0600)
ports.json             the ports of the last run, taken again when they are free
run/<name>.json        process id, start time and command of a running server
logs/<name>.log        its output; <name>.log.1 is the one before it grew past 10 MB
<name>/made_by         the program and major version that wrote <name>/data and must open it again
<name>/data            the server's own files, for each of postgres, mongo, object_store, redis
redis/redis.conf, object_store/s3.json    written anew at each start (0600)
"""

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import IO, Any

from devstack.errors import DataDirUnusable

_LOG_LIMIT = 10_000_000  # bytes


class DataDir:
    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock: IO[str] | None = None

    def open(self) -> bool:
        """Makes the directory and takes its lock, which ends with this process at the latest; False if it has it.

        Raises DataDirUnusable.
        """
        if self._lock is not None:
            return False
        try:
            self._make()
            self._lock = self._take_lock()
        except OSError as error:
            raise DataDirUnusable(f"{self.path} cannot be used as data directory: {error.strerror}") from error
        return True

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def home(self, name: str) -> Path:
        """The directory of one backend."""
        return _make_private(self.path / name)

    def pid_file(self, name: str) -> Path:
        return self.path / "run" / f"{name}.json"

    def log_file(self, name: str) -> Path:
        """Where the next process of that name writes; not for one that is already writing."""
        log = self.path / "logs" / f"{name}.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        return log

    def secret(self, name: str) -> str:
        """32 hexadecimal digits, the same in every run."""
        known = self._read_json("secrets.json")
        if name not in known:
            known[name] = secrets.token_hex(16)
            write_private(self.path / "secrets.json", json.dumps(known, indent=1))
        return str(known[name])

    def last_ports(self) -> dict[str, int]:
        return self._read_json("ports.json")

    def remember_ports(self, ports: dict[str, int]) -> None:
        write_private(self.path / "ports.json", json.dumps({**self.last_ports(), **ports}, indent=1))

    def _make(self) -> None:
        created = not self.path.exists()
        _make_private(self.path)
        if created:
            (self.path / ".gitignore").write_text("*\n")
        for name in ("run", "logs"):
            _make_private(self.path / name)

    def _take_lock(self) -> IO[str]:
        lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise DataDirUnusable(
                f"{self.path} is in use by another run (process {owner}): stop that one, or choose another --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / name).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Replaces the file as a whole, readable by its owner only: a reader sees the old text or the new one."""
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _make_private(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
