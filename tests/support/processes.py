"""The service as a process of its own, where a test kills or measures it."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from app.core.settings import Settings
from app.media.decoder_pool import PROGRAM
from tests.support.environment import environment
from tests.support.paths import ROOT

START_SECONDS = 90


@dataclass(slots=True)
class ServiceProcess:
    """`python -m app serve`, answering at `url`."""

    url: str
    process: psutil.Popen

    def resident_bytes(self) -> int:
        """Return the resident memory of the process."""
        return int(self.process.memory_info().rss)

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve, where a supervisor keeps several."""
        return _descendants(self.process, "--supervisor-fd")


def decoders(service: psutil.Process) -> list[psutil.Process]:
    """Return the processes in which a service decodes; none before its first picture."""
    return _descendants(service, str(PROGRAM))


def _descendants(process: psutil.Process, argument: str) -> list[psutil.Process]:
    """Return those with the argument that live: one that was killed and not waited for yet has no command line."""
    found = []
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if argument in (child.as_dict(["cmdline"])["cmdline"] or ()):
                found.append(child)
    return found


@contextmanager
def service_process(
    settings: Settings, *options: str, log: Path | None = None, module: str = "app", directory: Path = ROOT
) -> Iterator[ServiceProcess]:
    """Serve these settings in a process of its own; it is killed when the block ends and it still lives.

    It inherits its socket, because another program could take a free port. `log` receives stdout and stderr.
    `directory` has the code.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, (log or Path(os.devnull)).open("wb") as out:
        port, fd = listener.getsockname()[1], listener.fileno()
        command = [sys.executable, "-m", module, "serve", "--fd", str(fd), *options]
        stderr = out if log else None
        process = psutil.Popen(
            command, cwd=directory, env=environment(settings), stdout=out, stderr=stderr, pass_fds=[fd]
        )
    service = ServiceProcess(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_it_answers(service)
        yield service
    finally:
        if process.is_running():
            for worker in service.workers():
                worker.kill()
            process.kill()
        process.wait()


def _wait_until_it_answers(service: ServiceProcess) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{service.url}/healthz", timeout=START_SECONDS).raise_for_status()
        except httpx.TransportError:
            assert service.process.poll() is None, "the service ended"
            assert time.monotonic() < deadline, "the service does not answer"
            time.sleep(0.05)
        else:
            return
