"""Starts, restarts and stops the local servers together. `data_dir` describes the files."""

import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from devstack import ports as port_choice
from devstack.backend import Backend
from devstack.data_dir import DataDir
from devstack.errors import BackendFailed, DataDirUnusable
from devstack.mongo import Mongo
from devstack.object_store import ObjectStore
from devstack.postgres import Postgres
from devstack.process import ServerProcess, end_leftover, uninterrupted
from devstack.redis import Redis

BACKENDS = ("postgres", "mongo", "object_store", "redis")
SERVICE = "service"  # the pid file of the service that `dev` runs beside the stack
# The slowest first; PostgreSQL last, because its initdb runs while the others start.
_KINDS: tuple[type[Backend], ...] = (ObjectStore, Mongo, Redis, Postgres)
_LEFTOVERS = {SERVICE: signal.SIGTERM, **{kind.name: kind.stop_signal for kind in _KINDS}}
_READY_SECONDS = 60.0  # crash recovery of a large database is slow
_POLL_SECONDS = 0.02
_SPAWNS = 3


class Stack:
    """Local servers with one data directory, each on the port in `ports` or on a free one.

    Use it from one thread: on Linux, a server ends with the thread that started it. `durable=False` makes PostgreSQL
    and Redis faster without the safety of their data, for tests.
    """

    def __init__(
        self,
        data_dir: Path,
        wanted: Collection[str] = BACKENDS,
        ports: Mapping[str, int] | None = None,
        report: Callable[[str], None] = print,
        *,
        durable: bool = True,
    ) -> None:
        if unknown := (set(wanted) | set(ports or ())) - set(BACKENDS):
            raise ValueError(f"unknown backends: {', '.join(sorted(unknown))}")
        self._data_dir = DataDir(data_dir)
        self._wanted = wanted
        self._requested_ports = dict(ports or {})
        self._report = report
        self._durable = durable
        self._ports: dict[str, int] = {}
        self._claims = port_choice.Claims()
        self._backends: dict[str, Backend] = {}
        self._processes: dict[str, ServerProcess] = {}
        self._booting: list[str] = []  # launched, but not yet ready

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def open(self) -> None:
        """Lock the data directory and end processes of an earlier run. `start` does this, too.

        Raises DataDirUnusable.
        """
        if self._data_dir.open():
            for name, stop_signal in _LEFTOVERS.items():
                if end_leftover(self.pid_file(name), stop_signal):
                    self._report(f"{name}: ended a process of an earlier run")

    def pid_file(self, name: str) -> Path:
        return self._data_dir.pid_file(name)

    def start(self) -> dict[str, str]:
        """Start all servers, wait until they are ready, and return the addresses by setting name.

        Raises DevStackError; then no server is left running.
        """
        self.launch()
        return self.wait()

    def launch(self) -> dict[str, str]:
        """Start all servers and return the addresses. `wait` may still move a server whose port is in use.

        Raises DevStackError; then no server is left running.
        """
        self.open()
        with self._all_or_nothing():
            wanted = [kind for kind in _KINDS if kind.name in self._wanted]
            self._backends = {kind.name: kind(self._data_dir, durable=self._durable) for kind in wanted}
            for backend in self._backends.values():
                self._choose_ports(backend)
                self._spawn(backend)
        self._booting = list(self._backends)
        return self.addresses()

    def wait(self, *names: str) -> dict[str, str]:
        """Wait until these servers, or all of them, are ready. Return all addresses by setting name.

        Raises DevStackError; then no server is left running.
        """
        with self._all_or_nothing():
            self._await_ready([name for name in self._booting if not names or name in names], may_move=True)
        self._booting = [name for name in self._booting if names and name not in names]
        self._data_dir.remember_ports(self._ports)
        return self.addresses()

    def addresses(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for backend in self._backends.values():
            found |= backend.addresses(self._ports)
        return found

    def revive(self) -> list[str]:
        """Restart servers that have ended, with the same address and data. Return their names.

        Raises BackendFailed. A later call tries again.
        """
        dead = [name for name, process in self._processes.items() if process.exit_code is not None]
        for name in dead:
            self._report(f"{name}: ended unexpectedly ({self._processes[name].exit_code}), restarting it")
            self._spawn(self._backends[name])
        self._await_ready(dead, may_move=False)
        return dead

    def stop(self) -> None:
        """Stop all servers, the last started first. Kill those that do not end in time.

        The servers do not depend on each other. Can be called again at any time.
        """
        stopping = list(reversed(self._processes.items()))
        for _, process in stopping:
            process.request_stop()
        for name, process in stopping:
            process.finish()
            self._backends[name].clean_up(self._ports)
            del self._processes[name]
        self._claims.release()
        self._data_dir.close()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            self.stop()
            raise DataDirUnusable(f"{error.filename} belongs to another user ({error.strerror})") from error
        except BaseException:
            self.stop()
            raise

    def _spawn(self, backend: Backend) -> None:
        backend.prepare()
        command = backend.command(self._ports)
        log_file = self._data_dir.log_file(backend.name)
        with uninterrupted():
            self._processes[backend.name] = ServerProcess(command, self.pid_file(backend.name), log_file)

    def _choose_ports(self, backend: Backend) -> None:
        last = {**self._data_dir.last_ports(), **self._ports}
        for name in backend.port_names:
            self._ports[name] = port_choice.choose(
                name, self._requested_ports.get(name), last.get(name), self._claims, with_grpc=backend.with_grpc
            )

    def _await_ready(self, names: list[str], *, may_move: bool) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        spawns = dict.fromkeys(names, 1)
        waiting = list(names)
        while waiting:
            ready = [name for name in waiting if self._is_ready(name)]
            for name in ready:
                waiting.remove(name)
                self._report(self._describe(self._backends[name]))
            for name in waiting:
                self._check_booting(name, deadline, spawns, may_move=may_move)
            time.sleep(_POLL_SECONDS if waiting else 0)

    def _is_ready(self, name: str) -> bool:
        process = self._processes[name]
        try:
            responses = process.exit_code is None and self._backends[name].is_ready(process.pid, self._ports)
        except OSError:
            return False
        return responses and process.exit_code is None

    def _check_booting(self, name: str, deadline: float, spawns: dict[str, int], *, may_move: bool) -> None:
        """Restart a server that ended, because its port was in use or a killed one still had its data."""
        process = self._processes[name]
        ended = process.exit_code is not None
        if time.monotonic() > deadline or (ended and spawns[name] == _SPAWNS):
            reason = f"ended with exit code {process.exit_code}" if ended else f"not ready after {_READY_SECONDS:.0f} s"
            raise BackendFailed(f"{name} failed to start ({reason}); {process.log_tail()}")
        if ended:
            time.sleep(0.2 * spawns[name])
            spawns[name] += 1
            if may_move:
                self._choose_ports(self._backends[name])
            self._spawn(self._backends[name])

    def _describe(self, backend: Backend) -> str:
        address = f"{port_choice.HOST}:{self._ports[backend.port_names[0]]}"
        return f"{backend.name}: {backend.program.title} at {address}, data in {backend.data}"
