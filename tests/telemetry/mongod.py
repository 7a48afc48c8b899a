import json
import os
import signal
from pathlib import Path

from app.embedded.stack import Stack


class Mongod:
    """A MongoDB of the test's own, to be killed and frozen."""

    def __init__(self, data_dir: Path) -> None:
        self._stack = Stack(data_dir, wanted=("mongo",), report=lambda _line: None)
        self.url = self._stack.start()["MONGO_URL"]

    def _signal(self, number: signal.Signals) -> None:
        os.kill(int(json.loads(self._stack.pid_file("mongo").read_text())["pid"]), number)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def revive(self) -> None:
        while not self._stack.revive():
            pass

    def stop(self) -> None:
        self.thaw()
        self._stack.stop()
