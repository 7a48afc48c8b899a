"""Starts one server that ends with its parent, under another user if necessary. Run by path:

    python -I -S launch.py --signal N --parent PID [--user UID:GID] [--need DIR]... -- program argument...

This is a separate process because `preexec_fn` is not safe with threads. On Linux, the kernel sends the signal when the
thread that spawned this process ends.

PostgreSQL refuses to run as root. An unprivileged user cannot pass a directory that only root can enter (0700: /root,
`mktemp -d`) to reach the data or the libraries. The server therefore keeps one ambient capability: CAP_DAC_READ_SEARCH,
or CAP_DAC_OVERRIDE in containers that withhold the first. PostgreSQL looks for its files with access(2). This call
ignores the capabilities of an unprivileged user unless SECBIT_NO_SETUID_FIXUP is set.
"""

import argparse
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def main() -> None:
    options = _parse_arguments()
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True) if linux else None
    if options.user:
        _become(libc, options.user, options.need)
    if libc is not None:
        # Last, because a change of the user clears it.
        libc.prctl(_PR_SET_PDEATHSIG, options.signal, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() != options.parent:
        sys.exit("the parent process of this server has ended")
    os.execve(options.command[0], options.command, os.environ)  # noqa: S606 - no shell, on purpose


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--user")
    parser.add_argument("--need", action="append", default=[])
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _become(libc: ctypes.CDLL | None, user: str, needed: list[str]) -> None:
    uid, gid = (int(part) for part in user.split(":"))
    privileged = libc is not None and libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if libc is not None and privileged:
        _keep_one(libc)
    for path in needed:
        if not os.access(path, os.X_OK):
            sys.exit(
                f"user id {uid} cannot enter {path}. The server refuses to run as root and runs under this user id,"
                " and this system grants no capability. Run the command as an ordinary user."
            )


def _keep_one(libc: ctypes.CDLL) -> None:
    """Drop all capabilities except the first available of the two, which is kept across exec."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        mask = 1 << capability
        sets = (_CapabilitySets * 2)(_CapabilitySets(mask, mask, mask), _CapabilitySets(0, 0, 0))
        if libc.capset(ctypes.byref(header), ctypes.byref(sets)) == 0:
            libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)
            return
    libc.capset(ctypes.byref(header), ctypes.byref((_CapabilitySets * 2)()))


if __name__ == "__main__":
    main()
