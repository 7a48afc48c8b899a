"""Chooses the TCP ports of the servers.

Ports are random and below the range of outgoing connections (32768 and up on Linux, 49152 elsewhere), so that no client
socket uses one. A stack claims its ports, so that two stacks do not choose the same one. A port cannot be reserved
against other programs. A server whose port is in use is therefore started again on another port.
"""

import errno
import random
import socket
import sys

from devstack.errors import PortInUse

HOST = "127.0.0.1"
GRPC_OFFSET = 10_000  # SeaweedFS serves gRPC on each of its ports plus this
_FIRST, _LAST = 10_240, 20_239
_ATTEMPTS = 200


class Claims:
    """The ports of one stack, reserved against other stacks on this machine.

    A claim is a name in Linux's abstract socket namespace, which the kernel removes when the process ends. On other
    systems, every claim succeeds.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def take(self, *wanted: int) -> bool:
        """Claim all of these ports or none. Ports that are already claimed stay so."""
        missing = [port for port in wanted if port not in self._held]
        taken = {port: claim for port in missing if (claim := _claim(port))}
        if len(taken) < len(missing):
            _close(taken)
            return False
        self._held |= taken
        return True

    def release(self) -> None:
        _close(self._held)
        self._held.clear()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def choose(name: str, requested: int | None, last: int | None, claims: Claims, *, with_grpc: bool) -> int:
    """Claim and return the requested port, else that of the last run, else a random one. Raises PortInUse."""
    if requested is not None:
        if not _usable(requested, claims, with_grpc=with_grpc):
            wanted = f"{requested} and {requested + GRPC_OFFSET}" if with_grpc else str(requested)
            raise PortInUse(f"{name}: port {wanted} on {HOST} must be free and below 65536; choose another port")
        return requested
    if last is not None and _usable(last, claims, with_grpc=with_grpc):
        return last
    for _ in range(_ATTEMPTS):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - not a secret
        if _usable(port, claims, with_grpc=with_grpc):
            return port
    raise PortInUse(f"{name}: no free port found between {_FIRST} and {_LAST} on {HOST}")


def _usable(port: int, claims: Claims, *, with_grpc: bool) -> bool:
    wanted = (port, port + GRPC_OFFSET) if with_grpc else (port,)
    return all(0 < each < 65_536 and is_free(each) for each in wanted) and claims.take(*wanted)


def _claim(port: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX)
    if sys.platform == "linux":
        try:
            claim.bind(f"\0imts-port-{port}")
        except OSError as error:
            claim.close()
            if error.errno == errno.EADDRINUSE:
                return None
            raise
    return claim


def _close(claims: dict[int, socket.socket]) -> None:
    for claim in claims.values():
        claim.close()
