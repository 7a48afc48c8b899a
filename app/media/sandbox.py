"""Restrictions of a decoder process: resource limits, priority and Landlock.

Landlock needs Linux 5.13; a kernel can be built without it. Only the decoder process imports this module.
"""

import ctypes
import os
import resource
import signal
import ssl
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NICENESS = 5
# landlock(7) and prctl(2); the numbers are the same on every architecture.
_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_BELOW_PATH, _TO_PORT = 1, 2
_ANY_FILE_ACCESS, _READ_FILE, _READ_DIRECTORY = (1 << 13) - 1, 1 << 2, 1 << 3
_ANY_TCP, _CONNECT_TCP = 3, 2
_ANY_SCOPE = 3


def limit_process(memory_bytes: int) -> None:
    """Limit the address space; forbid core dumps, writing files and starting processes."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    for none in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(none, (0, 0))


@contextmanager
def limit_job(memory_bytes: int, cpu_seconds: float) -> Iterator[None]:
    """Limit the address space from now on, and the processor time during the block."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))
    # The default action of SIGPROF ends the process, even within a decoder that never checks for signals.
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)


def list_readable() -> list[str]:
    """Return the paths of modules, libraries, certificates and the files of name resolution."""
    name_resolution = [f"/etc/{name}" for name in ("hosts", "host.conf", "nsswitch.conf", "resolv.conf", "gai.conf")]
    certificates = filter(None, ssl.get_default_verify_paths()[:2])
    return [*sys.path, *certificates, "/lib", "/lib64", "/usr/lib", "/usr/local/lib", *name_resolution]


def lower_priority() -> None:
    """Let the service's own processes run first."""
    os.nice(NICENESS)


def apply_sandbox(port: int) -> bool:
    """Restrict the process permanently with Landlock (landlock(7)). Returns False if the kernel cannot.

    Only files below `list_readable` can be read: the caller first removes the service's folder from `sys.path`. No file
    can be written or executed. Other processes cannot be inspected or, from Linux 6.12 on, receive signals. From 6.7
    on, TCP connections are limited to `port`.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    handled = struct.pack("QQQ", _ANY_FILE_ACCESS, _ANY_TCP, _ANY_SCOPE)
    known = handled[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = libc.syscall(_CREATE_RULESET, known, len(known), 0)
    for path in filter(Path.exists, map(Path, list_readable())):
        rights = _READ_FILE | _READ_DIRECTORY if path.is_dir() else _READ_FILE
        opened = os.open(path, os.O_PATH)
        libc.syscall(_ADD_RULE, rules, _BELOW_PATH, struct.pack("=Qi", rights, opened), 0)
        os.close(opened)
    if version >= 4:
        libc.syscall(_ADD_RULE, rules, _TO_PORT, struct.pack("QQ", _CONNECT_TCP, port), 0)
    restricted: bool = libc.syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return restricted
