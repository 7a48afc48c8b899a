"""One server process of the cluster, which can be killed and started again at the same address."""

import asyncio
import atexit
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from devstack import ports
from devstack.process import Command, ServerProcess

HOST = ports.HOST
READY_SECONDS = 90


class Node:
    """`command` is called at each start; `is_ready` returns whether the node responds."""

    def __init__(self, name: str, root: Path, command: Callable[[], Command]) -> None:
        self.name = name
        self._root = root
        self._command = command
        self._process: ServerProcess | None = None

    def start(self) -> None:
        """Start it. It ends with this process at the latest."""
        self._process = ServerProcess(self._command(), self._root / f"{self.name}.pid", self._root / f"{self.name}.log")

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.exit_code is None

    def kill(self) -> None:
        """Kill it and its children with SIGKILL."""
        if self._process:
            self._process.send(signal.SIGKILL)
            self._process.wait(10)

    def log_tail(self) -> str:
        """Return the last lines of its log, to explain a failed start."""
        return self._process.log_tail() if self._process else ""

    def request_stop(self) -> None:
        if self._process:
            self._process.request_stop()

    def finish(self) -> None:
        if self._process:
            self._process.finish(20)


# Reserved for the life of this process: a killed node restarts at the same port.
_claims = ports.Claims()
atexit.register(_claims.release)
_given: set[int] = set()


def free_port(*, with_grpc: bool = False) -> int:
    """Return a port that is free, with port + 10,000 free as well, and that was not returned before."""
    port = ports.choose("a node", None, None, _claims, with_grpc=with_grpc)
    if _given & {port, port + ports.GRPC_OFFSET, port - ports.GRPC_OFFSET}:
        return free_port(with_grpc=with_grpc)
    _given.add(port)
    return port


async def until(name: str, is_true: Callable[[], Awaitable[bool]], seconds: float = READY_SECONDS) -> float:
    """Wait until the condition is true; return the seconds. Raises TimeoutError."""
    started = time.monotonic()
    while True:
        try:
            if await is_true():
                return time.monotonic() - started
        except (TimeoutError, OSError):
            pass
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{name}: not within {seconds:.0f} s")
        await asyncio.sleep(0.1)
