"""Helpers that find running processes."""

from pathlib import Path

import psutil


def processes_of(directory: Path) -> list[str]:
    """The command lines of the living processes that name the directory."""
    lines = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(directory) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            lines.append(line)
    return lines
