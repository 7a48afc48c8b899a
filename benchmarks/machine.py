"""The state of the machine during a measurement. A figure without it cannot be compared with others."""

import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

_CPU_INFO = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, str]:
    """Return the processor, the memory, the system and the version of Python."""
    return {
        "processor": _processor_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }


def _processor_model() -> str:
    model = re.search(r"^model name\s*: (.+)$", _CPU_INFO.read_text(), re.MULTILINE) if _CPU_INFO.exists() else None
    return model[1] if model else platform.processor() or "unknown"


@contextmanager
def watched(machine: dict[str, Any], stage: str) -> Iterator[None]:
    """Record the load of the machine during the block, and the processor time that the host gave to others."""
    started, stolen, load = time.monotonic(), _stolen_seconds(), os.getloadavg()[0]
    yield
    share = (_stolen_seconds() - stolen) / (time.monotonic() - started) / (os.cpu_count() or 1)
    loads = [round(load, 1), round(os.getloadavg()[0], 1)]
    machine[stage] = {"load_average": loads, "stolen_percent": round(100 * share, 1)}


def _stolen_seconds() -> float:
    """Return the steal time so far: processor time that the host gave to others; 0 if the system does not report it."""
    return float(getattr(psutil.cpu_times(), "steal", 0))
