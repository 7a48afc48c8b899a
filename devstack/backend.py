"""The base class of the local servers."""

import re
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import get_exec_path
from pathlib import Path
from typing import ClassVar

from devstack.data_dir import DataDir
from devstack.errors import BackendMissing
from devstack.process import Command


@dataclass(frozen=True)
class Program:
    """A server binary. `family` and the major version decide whether it can open existing data."""

    path: Path
    family: str
    version: str

    @property
    def maker(self) -> str:
        return f"{self.family} {self.version.partition('.')[0]}".strip()

    @property
    def title(self) -> str:
        return f"{self.family} {self.version}".strip()


class Backend(ABC):
    name: ClassVar[str]
    missing: ClassVar[str]  # the remedy if no program is found
    port_names: ClassVar[tuple[str, ...]]  # clients connect to the first one
    with_grpc: bool = False
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, data_dir: DataDir, *, durable: bool) -> None:
        self._data_dir = data_dir
        self._durable = durable
        self._home = data_dir.home(self.name)
        self.data = self._home / "data"
        self.program = self._find_program()

    @abstractmethod
    def candidates(self) -> Iterator[Program]:
        """Yield the programs on this machine, those on PATH before that of the wheel."""

    def prepare(self) -> None:
        """Prepare the data directory. Called before every start of the server."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.record_maker()

    @abstractmethod
    def command(self, ports: Mapping[str, int]) -> Command:
        """Return the command line for these ports by name."""

    @abstractmethod
    def is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        """Return whether this process responds, within about a second. May raise OSError."""

    @abstractmethod
    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Return the addresses by setting name."""

    def clean_up(self, ports: Mapping[str, int]) -> None:  # noqa: B027 - most leave nothing outside their directory
        """Remove files outside of the data directory. Called when the server has ended."""

    def made_by(self) -> str | None:
        """Return the `Program.maker` of the existing data; None without data."""
        record = self._home / "made_by"
        return record.read_text().strip() if record.exists() and self.data.exists() else None

    def record_maker(self) -> None:
        (self._home / "made_by").write_text(f"{self.program.maker}\n")

    def _find_program(self) -> Program:
        """Raises BackendMissing."""
        maker = self.made_by()
        found = None
        for found in self.candidates():
            if maker in (None, found.maker):
                return found
        if found is None:
            raise BackendMissing(f"{self.name}: no server program for this platform; {self.missing}")
        raise BackendMissing(
            f"{self.name}: {self.data} was written by {maker}, but only {found.maker} is installed;"
            f" put {maker} on PATH, or choose another --data-dir"
        )


def on_path(*names: str) -> Iterator[Path]:
    """Yield executables of these names, ordered by name, then by PATH, with links resolved."""
    for name in names:
        for directory in get_exec_path():
            path = Path(directory, name)
            if path.is_file():
                yield path.resolve()


def reported_version(program: Path, *arguments: str) -> str | None:
    """Return the first version number that it prints; None if it does not run, for example without a library."""
    try:
        result = subprocess.run(  # noqa: S603 - a server binary that was looked up
            [str(program), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\d+\.\d+(\.\d+)?", result.stdout)
    return match.group() if result.returncode == 0 and match else None
