"""The remaining rights of a decoder that a file has taken over, on kernels with Landlock."""

import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.media.decoder_pool import PROGRAM
from tests.support.accounts import Account
from tests.support.paths import ROOT
from tests.support.photos import png
from tests.support.processes import decoders

ATTEMPTS = """
import json, os, runpy, socket, sys
program, port, closed, left = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
confined = runpy.run_path(program)["apply_sandbox"](port)
service = os.getppid()
attempts = {
    "environment": lambda: open(f"/proc/{service}/environ", "rb"),
    "memory": lambda: open(f"/proc/{service}/mem", "rb"),
    "files": lambda: os.listdir(f"/proc/{service}/fd"),
    "settings": lambda: open("pyproject.toml"),
    "writing": lambda: open(left, "w"),
    "running": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "store": lambda: socket.create_connection(("127.0.0.1", port)),
    "others": lambda: socket.create_connection(("127.0.0.1", closed)),
}
succeeded = {}
for name, attempt in attempts.items():
    try:
        attempt()
        succeeded[name] = True
    except PermissionError:
        succeeded[name] = False
print(json.dumps([confined, succeeded]))
"""


PROCESSES = """
import json, os, runpy, sys, threading
runpy.run_path(sys.argv[1])["limit_process"](1 << 29)
refused = []
for start in (lambda: os.fork() or os._exit(0), lambda: os.posix_spawn("/bin/true", ["true"], {})):
    try:
        start()
    except PermissionError:
        refused.append(True)
thread = threading.Thread(target=refused.append, args=("a thread works",))
thread.start()
thread.join()
print(json.dumps(refused))
"""


def network_is_bounded() -> bool:
    release = [int(number) for number in os.uname().release.split("-")[0].split(".")[:2]]
    return release >= [6, 7]


def test_the_service_and_its_files_are_out_of_reach(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as store, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [str(one.getsockname()[1]) for one in (store, other)]
        command = [sys.executable, "-I", "-c", ATTEMPTS, str(PROGRAM), *ports, str(tmp_path / "left")]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)  # noqa: S603 - our own argv
    confined, succeeded = json.loads(run.stdout)
    if not confined:
        pytest.skip("no Landlock here")
    assert succeeded.pop("others") is not network_is_bounded()
    assert {name for name, worked in succeeded.items() if worked} == {"store"}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no filter for this machine")
def test_processes_are_refused_and_threads_are_not() -> None:
    command = [sys.executable, "-I", "-c", PROCESSES, str(PROGRAM)]
    run = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own argv
    assert json.loads(run.stdout) == [True, True, "a thread works"]


async def test_a_decoder_has_no_secrets_and_gets_no_rights(user: Account) -> None:
    assert (await user.client.post("/v1/images", files={"image": ("a.png", png())})).status_code == 201
    found = decoders(psutil.Process())
    assert found
    for decoder in found:
        assert set(decoder.environ()) == {"MALLOC_ARENA_MAX", "LC_ALL"}
        status = Path(f"/proc/{decoder.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        # Its pipes and what it may complain on; nothing of the service's.
        assert len(list(Path(f"/proc/{decoder.pid}/fd").iterdir())) == 3
