"""Keeps N workers on one listening socket; why not uvicorn's supervisor: docs/decisions/0010.

The supervisor holds the socket and accepts nothing itself. Connections in its queue belong to all workers, so none is
lost when a worker ends. Each worker is a process, `serve --fd`, at one end of a socket pair. It sends a heartbeat every
second. If the other end is closed, the worker has been replaced or the supervisor has died: it drains.

SIGTERM, SIGINT: drain all workers and exit. SIGHUP: replace the workers one by one, each once its successor serves.
"""

import signal
import socket
import subprocess
import time
from collections.abc import Sequence

from app.core.observability.logging import get_logger

logger = get_logger(__name__)

START_SECONDS = 120.0
# A worker without a heartbeat for this time is killed: its event loop hangs.
HEARTBEAT_TIMEOUT = 60.0
# The most that one check adds to a silence. A supervisor that was frozen, e.g. with its container, heard no heartbeat.
MAX_CHECK_SECONDS = 1.0
# Added to the drain timeout, which workers keep by themselves.
KILL_SECONDS = 5.0
MAX_PAUSE_SECONDS = 10.0
_TICK_SECONDS = 0.1


class Worker:
    """One process and the time since its last heartbeat. The constructor raises OSError."""

    def __init__(self, command: Sequence[str], listener: socket.socket) -> None:
        self._socket, other = socket.socketpair()
        self._socket.setblocking(False)
        descriptors = (listener.fileno(), other.fileno())
        options = ["--fd", str(descriptors[0]), "--supervisor-fd", str(descriptors[1])]
        with other:
            try:
                self._process = subprocess.Popen([*command, *options], pass_fds=descriptors)  # noqa: S603 - our own argv
            except OSError:
                self._socket.close()
                raise
        self.is_ready = False
        self._checked_at = time.monotonic()
        self._silence = 0.0
        self._deadline: float | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Read the heartbeats. Kill the process if it is silent for too long or does not end in time."""
        try:
            heartbeats = self._socket.recv(1024)
        except OSError:
            heartbeats = b""
        now = time.monotonic()
        self._silence += min(now - self._checked_at, MAX_CHECK_SECONDS)
        self._checked_at = now
        if heartbeats:
            self.is_ready, self._silence = True, 0.0
        timeout = HEARTBEAT_TIMEOUT if self.is_ready else START_SECONDS
        overdue = now > self._deadline if self._deadline else self._silence > timeout
        if overdue and self.exit_code is None:
            logger.error("killing an unresponsive worker", worker=self.pid)
            self._process.kill()

    def release(self, drain_seconds: float) -> None:
        """Let the worker drain without a change of readiness: another one listens in its place."""
        self._socket.close()
        self._deadline = time.monotonic() + drain_seconds + KILL_SECONDS

    def stop(self, drain_seconds: float) -> None:
        """Let the worker drain and report that to the balancer."""
        self._process.send_signal(signal.SIGTERM)
        self._deadline = time.monotonic() + drain_seconds + KILL_SECONDS


class Supervisor:
    """Runs `command` once for each worker. It must accept `--fd` and `--supervisor-fd`."""

    def __init__(self, command: Sequence[str], listener: socket.socket, count: int, drain_seconds: float) -> None:
        self._command = command
        self._listener = listener
        self._count = count
        self._drain_seconds = drain_seconds
        self._workers: list[Worker] = []
        self._replaced: list[Worker] = []
        self._is_stopping = self._is_restarting = False
        self._pause = self._next_start_at = 0.0

    def run(self) -> int:
        """Return the exit code: 1 if no worker starts; after a signal, 0 if every worker drained."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: setattr(self, "_is_stopping", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "_is_restarting", True))
        self._workers = [self._start() for _ in range(self._count)]
        if not any(self._wait_until_ready(worker) for worker in self._workers) and not self._is_stopping:
            self._stop_workers()
            return 1
        while not self._is_stopping:
            self._check_workers()
            if self._is_restarting:
                self._is_restarting = False
                self._restart_workers()
            time.sleep(_TICK_SECONDS)
        return self._stop_workers()

    def _start(self) -> Worker:
        return Worker(self._command, self._listener)

    def _wait_until_ready(self, worker: Worker) -> bool:
        """Wait until it serves. Returns False if it ends first, or after a signal to stop."""
        while not worker.is_ready and worker.exit_code is None and not self._is_stopping:
            worker.check()
            time.sleep(_TICK_SECONDS)
        return worker.is_ready

    def _check_workers(self) -> None:
        for worker in (*self._workers, *self._replaced):
            worker.check()
        self._replaced = [worker for worker in self._replaced if worker.exit_code is None]
        for index, worker in enumerate(self._workers):
            if worker.exit_code is not None and time.monotonic() >= self._next_start_at:
                self._workers[index] = self._replace(worker)

    def _replace(self, dead: Worker) -> Worker:
        """Start a new worker. The pause doubles while workers die before they serve."""
        self._pause = 0.0 if dead.is_ready else min(MAX_PAUSE_SECONDS, self._pause * 2 or 0.5)
        self._next_start_at = time.monotonic() + self._pause
        try:
            worker = self._start()
        except OSError as error:
            # The system is out of processes, memory or descriptors. The other workers go on serving.
            logger.error("worker not started", error=error)  # noqa: TRY400 - a traceback adds nothing
            self._next_start_at = time.monotonic() + MAX_PAUSE_SECONDS
            return dead
        dead.release(0)
        logger.error("worker died and was replaced", dead=dead.pid, exit_code=dead.exit_code, worker=worker.pid)
        return worker

    def _restart_workers(self) -> None:
        """Replace every worker by one that runs the code on disk. Stop at the first that does not start."""
        for index, old in enumerate(self._workers):
            try:
                new = self._start()
            except OSError as error:
                logger.error("worker not started, keeping the old ones", error=error)  # noqa: TRY400 - likewise
                return
            if not self._wait_until_ready(new):
                self._replaced.append(new)
                new.stop(0)
                if not self._is_stopping:
                    logger.error("new worker failed to start, keeping the old ones")
                return
            old.release(self._drain_seconds)
            self._replaced.append(old)
            self._workers[index] = new
            logger.info("worker replaced", old=old.pid, worker=new.pid)

    def _stop_workers(self) -> int:
        workers = [*self._workers, *self._replaced]
        for worker in workers:
            worker.stop(self._drain_seconds)
        while any(worker.exit_code is None for worker in workers):
            for worker in workers:
                worker.check()
            time.sleep(_TICK_SECONDS)
        # A worker that was stopped before it could handle signals has done nothing yet.
        return 0 if all(worker.exit_code in (0, -signal.SIGTERM) for worker in workers) else 1
