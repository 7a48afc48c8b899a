"""MongoDB: a replica set of three. It holds the telemetry, and the file names of the object store."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from benchmarks.scale_out.nodes import HOST, Node, free_port, until
from devstack.data_dir import DataDir
from devstack.mongo import Mongo
from devstack.process import Command

NAMES = ("mongo1", "mongo2", "mongo3")
SET = "rs0"


class MongoReplicaSet:
    """Three nodes that elect a primary among themselves."""

    def __init__(self, root: Path) -> None:
        self._backends = {name: _backend(root / name) for name in NAMES}
        self._ports = {name: free_port() for name in NAMES}
        self.nodes = {name: Node(name, root, partial(self._command, name)) for name in NAMES}

    def url(self, database: str) -> str:
        """Return the address of the set; the journals of a majority acknowledge writes."""
        hosts = ",".join(f"{HOST}:{self._ports[name]}" for name in NAMES)
        return f"mongodb://{hosts}/{database}?replicaSet={SET}&w=majority&journal=true"

    async def start(self) -> None:
        """Start all three as one replica set."""
        for name in NAMES:
            self._backends[name].prepare()
            self.nodes[name].start()
        for name in NAMES:
            await until(name, partial(self._responds, name))
        members = [{"_id": number, "host": f"{HOST}:{self._ports[name]}"} for number, name in enumerate(NAMES)]
        configuration = {"_id": SET, "members": members, "settings": {"electionTimeoutMillis": 2000}}
        self._command_to("mongo1", {"replSetInitiate": configuration})
        await until("a primary of MongoDB", self._has_primary)

    async def restart(self, name: str) -> None:
        """Restart a member and wait until it serves."""
        self.nodes[name].start()
        await until(name, lambda: self._is_member(name))

    def primary(self) -> str:
        """Return the member that is the primary."""
        return next(name for name in NAMES if self._hello(name).get("isWritablePrimary"))

    async def _responds(self, name: str) -> bool:
        return bool(self._hello(name).get("ok"))

    async def _has_primary(self) -> bool:
        return any(self._hello(name).get("isWritablePrimary") for name in NAMES)

    async def _is_member(self, name: str) -> bool:
        return bool(self._hello(name).get("isWritablePrimary") or self._hello(name).get("secondary"))

    def _hello(self, name: str) -> dict[str, Any]:
        try:
            return self._command_to(name, {"hello": 1})
        except PyMongoError:
            return {}

    def _command_to(self, name: str, command: dict[str, Any]) -> dict[str, Any]:
        with MongoClient[dict[str, Any]](
            HOST, self._ports[name], directConnection=True, serverSelectionTimeoutMS=500
        ) as client:
            return client.admin.command(command)

    def _command(self, name: str) -> Command:
        command = self._backends[name].command({"mongo": self._ports[name]})
        return dataclasses.replace(command, argv=[*command.argv, "--replSet", SET])


def _backend(path: Path) -> Mongo:
    directory = DataDir(path)
    directory.open()
    return Mongo(directory, durable=True)
