"""The two progress bars of a transfer: of files and of bytes."""

from contextlib import AbstractContextManager, nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class TransferDisplay:
    """Draws the progress of `files` files with `size` bytes in all."""

    def __init__(self, files: int, size: int) -> None:
        self._console = Console(stderr=True)
        self._files = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bytes = Progress(TextColumn("bytes"), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._file_task = self._files.add_task("files", total=files)
        self._byte_task = self._bytes.add_task("bytes", total=size)

    def live(self) -> AbstractContextManager[object]:
        """Draw the bars until the context ends. Draws nothing outside of a terminal."""
        if not self._console.is_terminal:
            return nullcontext()
        return Live(Group(self._files, self._bytes), console=self._console, refresh_per_second=5)

    def measure(self, size: int) -> None:
        """Advance the bytes."""
        self._bytes.advance(self._byte_task, size)

    def count(self) -> None:
        """Advance the files by one."""
        self._files.advance(self._file_task)
