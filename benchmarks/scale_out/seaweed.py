"""SeaweedFS: three masters that elect a leader, three volume servers, two filers with an S3 gateway each.

Replication `001`: every chunk is on two volume servers before its write is acknowledged. The filers keep no state:
the names and the lists of chunks are in the MongoDB replica set.
"""

import asyncio
import json
import secrets
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.scale_out.nodes import HOST, Node, free_port, until
from devstack.data_dir import DataDir
from devstack.object_store import ObjectStore
from devstack.process import Command

MASTERS = ("master1", "master2", "master3")
VOLUMES = ("volume1", "volume2", "volume3")
FILERS = ("filer1", "filer2")


class SeaweedCluster:
    """Eight nodes; `gateways` are the S3 addresses."""

    def __init__(self, root: Path, mongo_url: str) -> None:
        self._root = root
        self._mongo_url = mongo_url
        directory = DataDir(root / "weed")
        directory.open()
        self._program = str(_weed(directory))
        self._ports = {name: free_port(with_grpc=True) for name in (*MASTERS, *VOLUMES, *FILERS)}
        self._s3_ports = {name: free_port(with_grpc=True) for name in FILERS}
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(16)
        makers = {MASTERS: self._master, VOLUMES: self._volume, FILERS: self._filer}
        self.nodes = {name: Node(name, root, partial(make, name)) for names, make in makers.items() for name in names}
        self.gateways = {name: f"{HOST}:{port}" for name, port in self._s3_ports.items()}

    async def start(self) -> None:
        """Start all; return when both gateways respond and the masters know all volume servers."""
        for names in (MASTERS, VOLUMES):
            for name in names:
                self.nodes[name].start()
        await until("the volume servers", self._has_all_volume_servers)
        # A filer that starts beside another one ends if that one does not yet listen.
        for name in FILERS:
            self.nodes[name].start()
            await until(name, partial(self._listens, self._s3_ports[name]))

    async def restart(self, name: str) -> None:
        """Restart a node with its data, and wait until it serves."""
        self.nodes[name].start()
        await until(name, lambda: self._listens(self._ports[name]))
        if name in FILERS:
            await until(name, lambda: self._listens(self._s3_ports[name]))
        await until("the volume servers", self._has_all_volume_servers)

    def leader(self) -> str:
        """Return the leader of the masters."""
        for name in MASTERS:
            try:
                leader = self._get(name, "/cluster/status").get("Leader", "")
            except OSError:
                continue
            number = int(str(leader).split(":")[1].split(".")[0]) if leader else 0
            return next((one for one in MASTERS if self._ports[one] == number), name)
        raise ConnectionRefusedError("no master answers")

    async def _has_all_volume_servers(self) -> bool:
        status = await asyncio.to_thread(self._get, self.leader(), "/dir/status")
        centers = status["Topology"].get("DataCenters") or []
        nodes = [node for center in centers for rack in center["Racks"] for node in rack["DataNodes"] or ()]
        return len(nodes) == len(VOLUMES)

    def _get(self, master: str, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{HOST}:{self._ports[master]}{path}", timeout=2) as response:
            status: dict[str, Any] = json.loads(response.read())
            return status

    async def _listens(self, port: int) -> bool:
        _, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        return True

    def _master(self, name: str) -> Command:
        options = {
            "mdir": self._home(name),
            "peers": ",".join(f"{HOST}:{self._ports[one]}" for one in MASTERS),
            "defaultReplication": "001",
            "volumeSizeLimitMB": 256,
            "electionTimeout": "2s",
            "telemetry": "false",
        }
        return self._command(name, "master", options)

    def _volume(self, name: str) -> Command:
        masters = ",".join(f"{HOST}:{self._ports[one]}" for one in MASTERS)
        options = {"dir": self._home(name), "max": 100, "master": masters, "preStopSeconds": 0}
        return self._command(name, "volume", options)

    def _filer(self, name: str) -> Command:
        home = self._home(name)
        store = f'[mongodb]\nenabled = true\nuri = "{self._mongo_url}"\noption_pool_size = 20\ndatabase = "filer"\n'
        (home / "filer.toml").write_text(store)
        credentials = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        identity = {
            "name": "imts",
            "credentials": credentials,
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (home / "s3.json").write_text(json.dumps({"identities": [identity]}))
        options = {
            "master": ",".join(f"{HOST}:{self._ports[one]}" for one in MASTERS),
            "defaultReplicaPlacement": "001",
            "localSocket": "filer.sock",
            "s3": "true",
            "s3.port": self._s3_ports[name],
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": "s3.json",
            "s3.localSocket": "s3.sock",
        }
        return self._command(name, "filer", options)

    def _command(self, name: str, kind: str, options: dict[str, object]) -> Command:
        common = {"ip": HOST, "ip.bind": HOST, "port": self._ports[name]}
        argv = [f"-{key}={value}" for key, value in {**common, **options}.items()]
        return Command([self._program, "-logtostderr", kind, *argv], self._home(name))

    def _home(self, name: str) -> Path:
        home = self._root / name
        home.mkdir(exist_ok=True)
        return home


def _weed(directory: DataDir) -> Path:
    programs = ObjectStore(directory, durable=True).candidates()
    return next(program.path for program in programs if program.family == "SeaweedFS")
