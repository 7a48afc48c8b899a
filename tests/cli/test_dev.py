"""`python -m app dev`, as a child process."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.cli.environment import ADDRESS_SETTINGS, load_backends_env
from devstack import Stack
from devstack.ports import Claims, choose
from tests.devstack.processes import processes_of

ROOT = Path(__file__).parents[2]
NOWHERE = {
    "DATABASE_URL": "postgresql://imts:secret@127.0.0.1:1/imts",
    "MONGO_URL": "mongodb://127.0.0.1:1/imts",
    "REDIS_URL": "redis://:secret@127.0.0.1:1/0",
    "STORAGE_ENDPOINT": "127.0.0.1:1",
    "STORAGE_ACCESS_KEY": "key",
    "STORAGE_SECRET_KEY": "secret",
}
# The two fastest servers are real ones.
ONLY_MONGO_AND_REDIS = {name: value for name, value in NOWHERE.items() if name not in ("MONGO_URL", "REDIS_URL")}


class Dev:
    """A running command. Its output goes to a file, so that it never waits for a reader."""

    def __init__(
        self, directory: Path, *options: str, source: Path = ROOT, settings: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = directory / "data"
        self._output = directory / f"output-{time.monotonic_ns()}"
        given = {name: value for name, value in os.environ.items() if name not in (*NOWHERE, "JWT_SECRET")}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "app", "dev", "--port", "0", "--data-dir", str(self.data_dir), *options],
                cwd=directory,
                env={**given, "PYTHONPATH": str(source), **(settings or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str, times: int = 1, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while self.output.count(text) < times:
            assert time.monotonic() < deadline, self.output
            assert self.process.poll() is None or self.output.count(text) >= times, self.output
            time.sleep(0.05)

    def wait_for_end(self) -> int:
        return self.process.wait(40)

    def stop(self, signum: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(signum)
        return self.wait_for_end()

    def pid_of(self, name: str) -> int:
        return int(json.loads((self.data_dir / "run" / f"{name}.json").read_text())["pid"])

    def address(self) -> str:
        self.wait_for("docs: ")
        return self.output.partition("API:  http://")[2].partition("\n")[0]

    def status(self, path: str) -> int:
        connection = http.client.HTTPConnection(self.address(), timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    yield path
    leftovers = processes_of(path)
    for child in path.glob("data/run/service.json"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(json.loads(child.read_text())["pid"], signal.SIGKILL)
    shutil.rmtree(path)
    assert leftovers == []


def test_runs_on_its_own_servers_and_stops_them_all(directory: Path) -> None:
    dev = Dev(directory, "--no-reload")
    assert dev.status("/healthz") == 200
    assert dev.status("/readyz") == 200
    for name in ADDRESS_SETTINGS:
        assert dev.output.count(f"{name}: ") == 1
    backends_env = dev.data_dir / "backends.env"
    assert stat.S_IMODE(backends_env.stat().st_mode) == 0o600
    sourced = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", f". '{backends_env}'; echo $DATABASE_URL"], capture_output=True, text=True, check=True
    )
    assert sourced.stdout.startswith("postgresql://imts:")
    secret = (dev.data_dir / "jwt.secret").read_text()

    os.kill(dev.pid_of("mongo"), signal.SIGKILL)
    dev.wait_for("mongo: ended unexpectedly (-9), restarting it")
    dev.wait_for("mongo: MongoDB", times=2)
    assert dev.status("/readyz") == 200

    service = dev.pid_of("service")
    assert dev.stop() == 0
    assert not Path(f"/proc/{service}").exists()
    assert not backends_env.exists()
    assert processes_of(directory) == []

    again = Dev(directory, "--no-reload")
    assert again.status("/readyz") == 200
    assert (again.data_dir / "jwt.secret").read_text() == secret
    assert again.stop(signal.SIGTERM) == 0


def test_killed_service_stops_everything(directory: Path) -> None:
    dev = Dev(directory, "--no-reload", settings=ONLY_MONGO_AND_REDIS)
    dev.address()
    os.kill(dev.pid_of("service"), signal.SIGKILL)
    assert dev.wait_for_end() == 1
    assert "service: ended unexpectedly (-9), stopping everything" in dev.output
    assert processes_of(directory) == []


def test_the_directory_has_one_command_which_may_be_killed_or_interrupted_three_times(directory: Path) -> None:
    dev = Dev(directory, "--no-reload", settings=ONLY_MONGO_AND_REDIS)
    port = dev.address().rpartition(":")[2]
    service = dev.pid_of("service")

    second = Dev(directory, settings=ONLY_MONGO_AND_REDIS)
    assert second.wait_for_end() == 1
    assert second.output.count("\n") == 1
    assert f"is in use by another run (process {dev.process.pid})" in second.output
    assert dev.status("/healthz") == 200

    dev.process.kill()
    dev.process.wait()
    again = Dev(directory, "--no-reload", "--port", port, settings=ONLY_MONGO_AND_REDIS)
    assert again.address().endswith(f":{port}")
    assert again.status("/healthz") == 200
    assert not Path(f"/proc/{service}").exists()

    service = again.pid_of("service")
    for _ in range(3):
        again.process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert again.wait_for_end() == 0
    assert not Path(f"/proc/{service}").exists()


def test_interrupt_while_starting_leaves_nothing(directory: Path) -> None:
    dev = Dev(directory, "--no-reload")
    while not (dev.data_dir / "run" / "object_store.json").exists():
        time.sleep(0.01)
    assert dev.stop() == 0
    assert processes_of(directory) == []


def test_a_port_in_use_is_reported_in_one_line(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        dev = Dev(directory, "--port", str(port))
        assert dev.wait_for_end() == 1
    assert (
        dev.output == f"port {port} on 127.0.0.1 is in use; stop the program that uses it, or choose another --port\n"
    )
    assert list((dev.data_dir / "logs").iterdir()) == []


def test_a_database_that_is_down_is_reported_and_migrated_after_its_recovery(directory: Path) -> None:
    claims = Claims()
    port = choose("postgres", None, None, claims, with_grpc=False)
    claims.release()
    database = Stack(directory / "elsewhere", ("postgres",), {"postgres": port}, lambda _line: None, durable=False)
    url = database.start()["DATABASE_URL"]
    database.stop()
    dev = Dev(directory, "--no-reload", settings={**ONLY_MONGO_AND_REDIS, "DATABASE_URL": url})
    assert dev.status("/healthz") == 200
    assert dev.output.count("postgres: the database does not respond") == 1
    assert f"postgres: postgresql://127.0.0.1:{port}/imts, from the environment" in dev.output
    assert url not in dev.output
    assert dev.status("/readyz") == 503
    with database:
        dev.wait_for("postgres: responds again, migrated")
        assert dev.stop() == 0


def test_code_is_reloaded_and_a_syntax_error_is_waited_for(directory: Path) -> None:
    source = directory / "source"
    for name in ("app", "devstack", "migrations"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "alembic.ini", source)
    main = source / "app" / "main.py"
    code = main.read_text()
    dev = Dev(directory, source=source, settings=ONLY_MONGO_AND_REDIS)
    assert dev.status("/healthz") == 200
    first = dev.pid_of("service")

    main.write_text(code + "\n")
    dev.wait_for("restarting after a change of code")
    assert dev.status("/healthz") == 200
    dev.wait_for("service: ready again")
    assert dev.pid_of("service") != first

    main.write_text("this is no Python\n")
    dev.wait_for("waiting for the next change of code")
    main.write_text(code)
    dev.wait_for("service: ready again", times=2)
    assert dev.status("/healthz") == 200
    assert dev.stop() == 0


def test_backends_env_sets_only_unset_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backends.env").write_text("REDIS_URL=file\nMONGO_URL=file\nDATABASE_URL=file\nSTORAGE_BUCKET=file\n")
    (tmp_path / ".env").write_text("MONGO_URL=dotenv\nSTORAGE_BUCKET=\n")
    monkeypatch.setenv("REDIS_URL", "environment")
    monkeypatch.setenv("DATABASE_URL", "")
    for name in ("MONGO_URL", "STORAGE_BUCKET"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    load_backends_env(tmp_path)
    assert os.environ["REDIS_URL"] == "environment"
    assert os.environ["DATABASE_URL"] == "file"
    assert os.environ["STORAGE_BUCKET"] == "file"
    assert "MONGO_URL" not in os.environ
