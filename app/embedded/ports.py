"""Which TCP ports the servers take.

Chosen at random below the range that systems use for outgoing connections (32768 and up on Linux, 49152 elsewhere),
so that two stacks that start at the same time seldom pick the same one and no client socket sits on one. There is no
way to reserve a port for another process: a server that finds its port taken after all is started again on another.
"""

import errno
import random
import socket

from app.embedded.errors import PortInUse

HOST = "127.0.0.1"
GRPC_OFFSET = 10_000  # SeaweedFS serves gRPC on each of its ports plus this
_FIRST, _LAST = 10_240, 20_239
_ATTEMPTS = 200


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


def choose(name: str, asked: int | None, last: int | None, *, with_grpc: bool) -> int:
    """The port asked for, else the last run's, else a random one. Raises PortInUse."""
    if asked is not None:
        if not _usable(asked, with_grpc=with_grpc):
            wanted = f"{asked} and {asked + GRPC_OFFSET}" if with_grpc else str(asked)
            raise PortInUse(f"{name}: port {wanted} on {HOST} must be free (and below 65536): choose another")
        return asked
    if last is not None and _usable(last, with_grpc=with_grpc):
        return last
    for _ in range(_ATTEMPTS):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - not a secret
        if _usable(port, with_grpc=with_grpc):
            return port
    raise PortInUse(f"{name}: no free port found between {_FIRST} and {_LAST} on {HOST}")


def _usable(port: int, *, with_grpc: bool) -> bool:
    wanted = (port, port + GRPC_OFFSET) if with_grpc else (port,)
    return all(0 < each < 65_536 and is_free(each) for each in wanted)
