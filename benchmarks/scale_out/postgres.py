"""PostgreSQL: a primary and two standbys. Each commit is on two of the three.

`synchronous_standby_names = 'ANY 1 (...)'`: a commit is acknowledged once one of the standbys has it on its disk too.
So one of them may be down without stopping the writes, and when the primary fails, the standby that has received most
has every commit that was acknowledged. With a single standby it is one or the other.
"""

import dataclasses
import shutil
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from benchmarks.scale_out.nodes import HOST, Node, free_port, until
from devstack.data_dir import DataDir
from devstack.postgres import Postgres
from devstack.process import Command, run_to_end

NAMES = ("pg1", "pg2", "pg3")


class PostgresCluster:
    """Three nodes; which of them is the primary changes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directories = {name: DataDir(root / name) for name in NAMES}
        self._backends = {name: _backend(directory) for name, directory in self._directories.items()}
        self._ports = {name: free_port() for name in NAMES}
        self._password = self._directories["pg1"].secret("postgres_password")
        self.nodes = {name: Node(name, root, partial(self._command, name)) for name in NAMES}
        self.primary = "pg1"

    @property
    def url(self) -> str:
        """The address of whichever node is the primary."""
        return self._url("primary")

    @property
    def standby_url(self) -> str:
        """The address of whichever node is a standby."""
        return self._url("standby")

    def url_of(self, name: str) -> str:
        """Return the address of one node in any role."""
        return f"postgresql://imts:{quote(self._password)}@{HOST}:{self._ports[name]}/imts"

    @property
    def programs(self) -> Path:
        """The directory of PostgreSQL's programs."""
        return self._backends["pg1"].program.path.parent

    async def start(self) -> None:
        """Create the primary, then copy the others from it."""
        self._backends["pg1"].prepare()
        self.nodes["pg1"].start()
        await until("pg1", lambda: self._responds("pg1"))
        for name in ("pg2", "pg3"):
            await self.join(name)

    def stop(self) -> None:
        """Stop all nodes."""
        for node in self.nodes.values():
            node.request_stop()
        for node in self.nodes.values():
            node.finish()
        for directory in self._directories.values():
            directory.close()

    async def join(self, name: str) -> None:
        """Make the node a new standby of the primary."""
        backend = self._backends[name]
        shutil.rmtree(backend.data, ignore_errors=True)
        backend.data.mkdir(mode=0o700)
        backend.prepare()
        copy = [str(self.programs / "pg_basebackup"), "-D", str(backend.data), "-R", "-X", "stream"]
        copy += ["-c", "fast", "-h", HOST, "-p", str(self._ports[self.primary]), "-U", "imts"]
        command = dataclasses.replace(backend.command({"postgres": 0}), argv=copy)
        command = dataclasses.replace(command, environment={"PGPASSWORD": self._password})
        run_to_end(command, self._root / f"{name}.log")
        self.nodes[name].start()
        await self.until_replicating(name)

    async def restart(self, name: str) -> None:
        """Restart a standby with its data."""
        self._backends[name].prepare()
        self.nodes[name].start()
        await self.until_replicating(name)

    async def fail_over(self) -> str:
        """Promote the standby that has received most; return its name. The primary must be dead."""
        received = {name: await self._query(name, "SELECT pg_last_wal_receive_lsn()") for name in self._standbys()}
        self.primary = max(received, key=lambda name: received[name])
        await self._query(self.primary, "SELECT pg_promote()")
        return self.primary

    async def until_replicating(self, name: str) -> None:
        """Wait until the primary streams to this standby."""
        query = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming')"

        async def is_streaming() -> bool:
            return bool(await self._query(self.primary, query, name))

        await until(f"{name} replicating", is_streaming)

    def _url(self, attributes: str) -> str:
        hosts = "&".join(f"host={HOST}:{self._ports[name]}" for name in NAMES)
        return f"postgresql://imts:{quote(self._password)}@/imts?{hosts}&target_session_attrs={attributes}"

    def _standbys(self) -> list[str]:
        return [name for name in NAMES if name != self.primary and self.nodes[name].lives]

    async def _responds(self, name: str) -> bool:
        return bool(await self._query(name, "SELECT true"))

    async def _query(self, name: str, query: str, *arguments: Any) -> Any:
        try:
            connection = await asyncpg.connect(
                host=HOST, port=self._ports[name], user="imts", password=self._password, database="imts", timeout=5
            )
        except asyncpg.CannotConnectNowError as error:
            raise ConnectionRefusedError from error
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    def _command(self, name: str) -> Command:
        hosts, numbers = ",".join(HOST for _ in NAMES), ",".join(str(self._ports[one]) for one in NAMES)
        settings = {
            "synchronous_standby_names": f"ANY 1 ({', '.join(NAMES)})",
            "wal_keep_size": "512MB",
            "primary_conninfo": f"host={hosts} port={numbers} user=imts password={self._password} "
            f"target_session_attrs=primary application_name={name} connect_timeout=2",
            "wal_retrieve_retry_interval": "500ms",
        }
        command = self._backends[name].command({"postgres": self._ports[name]})
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return dataclasses.replace(command, argv=[*command.argv, *options])


def _backend(directory: DataDir) -> Postgres:
    directory.open()
    return Postgres(directory, durable=True)
