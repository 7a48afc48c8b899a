"""The resident memory of a process while a test runs."""

import asyncio
from contextlib import suppress
from typing import Self

import psutil


class Peak:
    """The largest memory seen while it is open, of the process and of it with its children."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.own = self.tree = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            self.own = max(self.own, self._process.memory_info().rss)
            self.tree = max(self.tree, tree_memory(self._process))
            await asyncio.sleep(0.1)


def tree_memory(process: psutil.Process) -> int:
    """Return the resident memory of a process with its children."""
    total = int(process.memory_info().rss)
    for child in process.children(recursive=True):
        # It may have ended meanwhile.
        with suppress(psutil.NoSuchProcess):
            total += child.memory_info().rss
    return total
