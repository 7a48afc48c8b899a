import json
import signal
import time
from pathlib import Path

import psutil

from devstack.stack import Stack


class Mongod:
    """A MongoDB of the test's own, to be killed and frozen."""

    def __init__(self, data_dir: Path) -> None:
        self._stack = Stack(data_dir, wanted=("mongo",), report=lambda _line: None)
        self.url = self._stack.start()["MONGO_URL"]

    def _process(self) -> psutil.Process:
        return psutil.Process(int(json.loads(self._stack.pid_file("mongo").read_text())["pid"]))

    def _signal(self, number: signal.Signals) -> None:
        self._process().send_signal(number)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)
        # The signal is under way for a moment, in which a request could still be answered.
        while self._process().status() != psutil.STATUS_STOPPED:
            time.sleep(0.005)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def revive(self) -> None:
        while not self._stack.revive():
            pass

    def stop(self) -> None:
        self.thaw()
        self._stack.stop()
