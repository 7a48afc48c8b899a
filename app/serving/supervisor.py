"""Keeps N workers on one listening socket.

The supervisor holds the socket and accepts nothing itself: connections that wait in its queue belong to all workers, so
none is lost when one of them goes. Each worker is a process of its own, `serve --fd`, at one end of a socket pair: it
says every second that it lives, and takes the other end's closing for "you are replaced" (or for the supervisor's
death, which so leaves nobody behind).

SIGTERM, SIGINT: drain all and exit. SIGHUP: replace all, one after the other, each once its successor serves.
"""

import signal
import socket
import subprocess
import time
from collections.abc import Sequence

from app.core.logging import get_logger

logger = get_logger(__name__)

START_SECONDS = 120.0
# A worker whose event loop did not turn for so long is hung.
SILENT_SECONDS = 60.0
# What counts of the time between two looks: a supervisor that was frozen, with its container say, has heard nobody.
LOOK_SECONDS = 1.0
# Beyond the drain's limit, which workers keep by themselves.
KILL_SECONDS = 5.0
MAX_PAUSE_SECONDS = 10.0
_TICK_SECONDS = 0.1


class Worker:
    """One process, and for how long nothing was heard of it. Making it raises OSError."""

    def __init__(self, command: Sequence[str], listener: socket.socket) -> None:
        self._link, other = socket.socketpair()
        self._link.setblocking(False)
        descriptors = (listener.fileno(), other.fileno())
        options = ["--fd", str(descriptors[0]), "--supervisor-fd", str(descriptors[1])]
        with other:
            try:
                self._process = subprocess.Popen([*command, *options], pass_fds=descriptors)  # noqa: S603 - our own argv
            except OSError:
                self._link.close()
                raise
        self.is_ready = False
        self._looked_at = time.monotonic()
        self._silence = 0.0
        self._end_by: float | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def look(self) -> None:
        """Take in what it said; kill it when it is silent for too long or does not end in time."""
        try:
            heard = self._link.recv(1024)
        except OSError:
            heard = b""
        now = time.monotonic()
        self._silence += min(now - self._looked_at, LOOK_SECONDS)
        self._looked_at = now
        if heard:
            self.is_ready, self._silence = True, 0.0
        patience = SILENT_SECONDS if self.is_ready else START_SECONDS
        overdue = now > self._end_by if self._end_by else self._silence > patience
        if overdue and self.exit_code is None:
            logger.error("killing an unresponsive worker", worker=self.pid)
            self._process.kill()

    def release(self, drain_seconds: float) -> None:
        """Have it drain while another one listens in its place."""
        self._link.close()
        self._end_by = time.monotonic() + drain_seconds + KILL_SECONDS

    def stop(self, drain_seconds: float) -> None:
        """Have it drain and tell the balancer so."""
        self._process.send_signal(signal.SIGTERM)
        self._end_by = time.monotonic() + drain_seconds + KILL_SECONDS


class Supervisor:
    """Runs `command` once for each worker; it must take `--fd` and `--supervisor-fd`."""

    def __init__(self, command: Sequence[str], listener: socket.socket, count: int, drain_seconds: float) -> None:
        self._command = command
        self._listener = listener
        self._count = count
        self._drain_seconds = drain_seconds
        self._workers: list[Worker] = []
        self._replaced: list[Worker] = []
        self._is_stopping = self._is_renewing = False
        self._pause = self._not_before = 0.0

    def run(self) -> int:
        """Return the exit code: 1 at once where no worker comes up; once told to stop, 0 if every worker drained."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: setattr(self, "_is_stopping", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "_is_renewing", True))
        self._workers = [self._start() for _ in range(self._count)]
        if not any(self._comes_up(worker) for worker in self._workers) and not self._is_stopping:
            self._end()
            return 1
        while not self._is_stopping:
            self._look_after_all()
            if self._is_renewing:
                self._is_renewing = False
                self._renew()
            time.sleep(_TICK_SECONDS)
        return self._end()

    def _start(self) -> Worker:
        return Worker(self._command, self._listener)

    def _comes_up(self, worker: Worker) -> bool:
        """Wait until it serves; False when it ends before, or when we are told to stop."""
        while not worker.is_ready and worker.exit_code is None and not self._is_stopping:
            worker.look()
            time.sleep(_TICK_SECONDS)
        return worker.is_ready

    def _look_after_all(self) -> None:
        for worker in (*self._workers, *self._replaced):
            worker.look()
        self._replaced = [worker for worker in self._replaced if worker.exit_code is None]
        for index, worker in enumerate(self._workers):
            if worker.exit_code is not None and time.monotonic() >= self._not_before:
                self._workers[index] = self._replacement(worker)

    def _replacement(self, dead: Worker) -> Worker:
        """Start another one; where they die before they serve, with longer and longer pauses."""
        self._pause = 0.0 if dead.is_ready else min(MAX_PAUSE_SECONDS, self._pause * 2 or 0.5)
        self._not_before = time.monotonic() + self._pause
        try:
            worker = self._start()
        except OSError as error:
            # The system has no process, memory or descriptor to give; the others go on serving.
            logger.error("worker not started", error=error)  # noqa: TRY400 - a traceback adds nothing
            self._not_before = time.monotonic() + MAX_PAUSE_SECONDS
            return dead
        dead.release(0)
        logger.error("worker died and was replaced", dead=dead.pid, exit_code=dead.exit_code, worker=worker.pid)
        return worker

    def _renew(self) -> None:
        """Replace every worker by one that runs the code as it is on the disk now; stop at the first that cannot."""
        for index, old in enumerate(self._workers):
            try:
                new = self._start()
            except OSError as error:
                logger.error("worker not started, keeping the old ones", error=error)  # noqa: TRY400 - likewise
                return
            if not self._comes_up(new):
                self._replaced.append(new)
                new.stop(0)
                if not self._is_stopping:
                    logger.error("new worker failed to start, keeping the old ones")
                return
            old.release(self._drain_seconds)
            self._replaced.append(old)
            self._workers[index] = new
            logger.info("worker replaced", old=old.pid, worker=new.pid)

    def _end(self) -> int:
        workers = [*self._workers, *self._replaced]
        for worker in workers:
            worker.stop(self._drain_seconds)
        while any(worker.exit_code is None for worker in workers):
            for worker in workers:
                worker.look()
            time.sleep(_TICK_SECONDS)
        # One that was told before it could listen to signals has done nothing yet.
        return 0 if all(worker.exit_code in (0, -signal.SIGTERM) for worker in workers) else 1
