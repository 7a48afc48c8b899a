"""A child process that is started by `launch`, recorded in a pid file and ended by a signal."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from devstack.data_dir import write_private
from devstack.errors import BackendFailed

_LAUNCHER = Path(__file__).with_name("launch.py")
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
_STOP_SECONDS = 15.0
_LOG_LINES = 12


@dataclass(frozen=True)
class Command:
    """A command. `user` is (uid, gid) of the process, `need` the paths that this user must be able to reach."""

    argv: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    user: tuple[int, int] | None = None
    need: Sequence[Path] = ()
    pass_fds: Sequence[int] = ()

    def launcher_argv(self) -> list[str]:
        options = [f"--signal={self.stop_signal.value}", f"--parent={os.getpid()}"]
        if self.user:
            options.append(f"--user={self.user[0]}:{self.user[1]}")
        options += [f"--need={path}" for path in self.need]
        return [sys.executable, "-I", "-S", str(_LAUNCHER), *options, "--", *self.argv]

    def popen_environment(self) -> dict[str, str]:
        """Return the environment without PG*, AWS_*, WEED_* and such: servers are configured by command line only."""
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**kept, "HOME": str(self.directory), "LC_ALL": "C", "TZ": "UTC", **self.environment}


class ServerProcess:
    """A running server in a session of its own: Ctrl-C reaches only its parent. The constructor starts it."""

    def __init__(self, command: Command, pid_file: Path, log_file: Path | None = None) -> None:
        self._command = command
        self._pid_file = pid_file
        self._log_file = log_file
        self._log_start = log_file.stat().st_size if log_file is not None and log_file.exists() else 0
        self._popen = self._spawn()
        started = psutil.Process(self._popen.pid).create_time()
        write_private(pid_file, json.dumps({"pid": self.pid, "started": started, "command": list(command.argv)}))

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative signal number if a signal ended it."""
        return self._popen.poll()

    def log_tail(self) -> str:
        """Return the last lines of the log since the start, under a heading with the file name."""
        if self._log_file is None:
            return ""
        with self._log_file.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join([f"the end of {self._log_file}:", *(f"  {line}" for line in lines[-_LOG_LINES:])])

    def request_stop(self) -> None:
        self.send(self._command.stop_signal)

    def send(self, signum: signal.Signals) -> None:
        if self.exit_code is None:
            self._popen.send_signal(signum)

    def wait(self, seconds: float) -> bool:
        """Return whether the process has ended within this time."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._end_group()
        self._pid_file.unlink(missing_ok=True)
        return True

    def _end_group(self) -> None:
        """Kill children that have outlived the process, such as workers of a killed service."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def finish(self, seconds: float = _STOP_SECONDS) -> None:
        """Wait for the requested stop, and kill the process after the timeout."""
        if not self.wait(seconds):
            self.send(signal.SIGKILL)
            self.wait(_STOP_SECONDS)

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self._log_file is None:
            return self._popen_to(None, self._command.environment)
        with self._log_file.open("ab") as log:
            return self._popen_to(log, self._command.popen_environment())

    def _popen_to(self, log: IO[bytes] | None, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own argv, no shell
            self._command.launcher_argv(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
            cwd=self._command.directory,
            env=environment,
            pass_fds=self._command.pass_fds,
            start_new_session=True,
        )


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay signals until the end of the block, so that a new process is always recorded.

    The child inherits the blocked signals. The launcher unblocks them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_to_end(command: Command, log_file: Path, stdin: str = "", seconds: float = 60) -> None:
    """Run a preparing step such as initdb. Raises BackendFailed with the output."""
    result = subprocess.run(  # noqa: S603 - our own argv, no shell
        command.launcher_argv(),
        input=stdin.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=command.directory,
        env=command.popen_environment(),
        start_new_session=True,
        timeout=seconds,
        check=False,
    )
    with log_file.open("ab") as log:
        log.write(result.stdout)
    if result.returncode != 0:
        lines = result.stdout.decode(errors="replace").splitlines()[-_LOG_LINES:]
        raise BackendFailed("\n".join([f"{Path(command.argv[0]).name} failed:", *(f"  {line}" for line in lines)]))


def end_leftover(pid_file: Path, stop_signal: signal.Signals) -> bool:
    """End the process of an earlier run. Return whether there was one."""
    process = _recorded(pid_file)
    if process is not None:
        end_process(process, stop_signal)
    pid_file.unlink(missing_ok=True)
    return process is not None


def end_process(process: psutil.Process, stop_signal: signal.Signals) -> None:
    try:
        process.send_signal(stop_signal)
        process.wait(_STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(_STOP_SECONDS)
    except psutil.NoSuchProcess:
        pass


def wait_for_processes_in(directory: Path, seconds: float = _STOP_SECONDS) -> None:
    """Wait until no process works in the directory. Kill the remaining ones after the timeout."""
    deadline = time.monotonic() + seconds
    while remaining := [process for process in psutil.process_iter() if _works_in(process, directory)]:
        if time.monotonic() > deadline:
            for process in remaining:
                end_process(process, signal.SIGKILL)
            return
        time.sleep(0.05)


def _recorded(pid_file: Path) -> psutil.Process | None:
    """Return the recorded process, if it still runs.

    Process ids are reused, so the start time and the command line must be equal, too. Before its exec, the process has
    the command line of the launcher, which ends with the same arguments.
    """
    try:
        record = json.loads(pid_file.read_text())
        process = psutil.Process(record["pid"])
        command = process.cmdline()[-len(record["command"]) :]
        same = abs(process.create_time() - record["started"]) < 1 and command == record["command"]
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if same else None


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return process.cwd() == str(directory)
    except (psutil.Error, OSError):
        return False
