"""The data directory of a stack, with all files that the stack writes.

- `.gitignore`: "*"; only if the stack created the directory
- `lock`: locked by the running stack; contains its process id
- `secrets.json`: passwords and S3 keys, created once (0600)
- `ports.json`: the ports of the last run, reused if they are free
- `run/<name>.json`: process id, start time and command of a running server
- `logs/<name>.log`: its output; `<name>.log.1` has the output before the last rotation at 10 MB
- `<name>/made_by`: the program and major version that wrote `<name>/data`
- `<name>/data`: the files of the server: postgres, mongo, object_store or redis
- `redis/redis.conf`, `object_store/s3.json`: rewritten at each start (0600)
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
        """Create and lock the directory. Return False if this object already holds the lock.

        Raises DataDirUnusable.
        """
        if self._lock is not None:
            return False
        try:
            self._make()
            self._lock = self._take_lock()
        except OSError as error:
            raise DataDirUnusable(f"{self.path} cannot be used as a data directory: {error.strerror}") from error
        return True

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def home(self, name: str) -> Path:
        """Return the directory of one backend."""
        return _make_private(self.path / name)

    def pid_file(self, name: str) -> Path:
        return self.path / "run" / f"{name}.json"

    def log_file(self, name: str) -> Path:
        """Rotate and return the log file for the next process of this name."""
        log = self.path / "logs" / f"{name}.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        return log

    def secret(self, name: str) -> str:
        """Return 32 hexadecimal digits, the same in every run."""
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
                f"{self.path} is in use by another run (process {owner}); stop it, or choose another --data-dir"
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
    """Replace the file atomically, readable only by its owner."""
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
