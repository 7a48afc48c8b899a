"""Servers on a small disk of their own, in a mount namespace: `python -m tests.faults.full_disk DIRECTORY`.

Prints the servers' addresses as a JSON line. Then each line of standard input is a command, answered with a line:
`fill` writes until the disk has no byte left, `free` deletes that again.
"""

import errno
import json
import subprocess
import sys
from pathlib import Path

from devstack import Stack

DISK_BYTES = 2 << 30


def fill(path: Path) -> None:
    """Append to a file until the disk is full, at last byte by byte."""
    with path.open("ab", buffering=0) as file:
        for size in (1 << 24, 1 << 16, 1 << 12, 1):
            block = bytes(size)
            try:
                while file.write(block):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def main() -> None:
    directory = Path(sys.argv[1])
    options = f"size={DISK_BYTES},mode=0777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)  # noqa: S603, S607
    filler = directory / "filler"
    with Stack(directory / "data", durable=False, report=lambda _line: None) as stack:
        print(json.dumps(stack.addresses()), flush=True)  # noqa: T201
        for command in sys.stdin:
            if command.strip() == "fill":
                fill(filler)
            else:
                filler.unlink(missing_ok=True)
            print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
