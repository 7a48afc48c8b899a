"""Restrictions of a decoder process: resource limits, priority and Landlock.

Landlock needs Linux 5.13; a kernel can be built without it. Only the decoder process imports this module.
Layouts: Linux `linux/filter.h`, `linux/seccomp.h` and `linux/audit.h`.
"""

import ctypes
import errno
import os
import platform
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
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
# Offsets in `struct seccomp_data`: the number of the call, the architecture, the lower half of the first argument.
_CALL, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_CLONE_THREAD, _CLONE3, _X32 = 0x10000, 435, 0x40000000
# Machine: the audit number, `clone`, and the older calls that start a process.
_PROCESS_CALLS = {"x86_64": (0xC000003E, 56, (57, 58)), "aarch64": (0xC00000B7, 220, ())}


def limit_process(memory_bytes: int) -> None:
    """Limit the address space; forbid core dumps, writing files and starting processes."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    for none in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(none, (0, 0))
    if not forbid_processes():
        # It forbids threads as well, without which libde265 decodes no HEIC.
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def forbid_processes() -> bool:
    """Make the kernel refuse new processes but not new threads (seccomp(2)). Returns False if it cannot."""
    calls = _PROCESS_CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if calls is None:
        return False
    code = b"".join(struct.pack("HBBI", *one) for one in _process_filter(*calls))
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    refused: int = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0)
    return refused == 0


def _process_filter(architecture: int, clone: int, forks: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """Return BPF instructions: code, jump if true, jump if false, operand."""
    refuse = (_RETURN, 0, 0, _FAIL | errno.EPERM)
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        refuse,
        (_LOAD, 0, 0, _CALL),
        # Calls of the x32 interface have other numbers.
        *((_IF_AT_LEAST, 0, 1, _X32), refuse),
        # Its flags are in memory, which a filter cannot read. The C library then uses `clone`.
        *((_IF_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)),
        *(one for call in forks for one in ((_IF_EQUAL, 0, 1, call), refuse)),
        *((_IF_EQUAL, 0, 3, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_IF_ANY_BIT, 1, 0, _CLONE_THREAD), refuse),
        (_RETURN, 0, 0, _ALLOW),
    ]


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
