"""The cluster: the backends, three service processes, and haproxy in front of them and of the S3 gateways."""

import asyncio
import os
import secrets
import shutil
import sys
from functools import partial
from pathlib import Path

import aiohttp

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from app.storage.object_store import ObjectStore
from benchmarks.scale_out.mongo import MongoReplicaSet
from benchmarks.scale_out.nodes import HOST, Node, free_port, until
from benchmarks.scale_out.postgres import PostgresCluster
from benchmarks.scale_out.seaweed import SeaweedCluster
from devstack.data_dir import DataDir
from devstack.process import Command
from devstack.redis import Redis

SERVICES = ("service1", "service2", "service3")
ROOT = Path(__file__).resolve().parents[2]
OK = 200
HAPROXY = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    # Only a connection that could not be made is tried again, on another server: nothing was sent yet.
    retries 3
    option redispatch 1
    option forwardfor
frontend api
    bind {host}:{api}
    default_backend services
backend services
    balance leastconn
    # Out of the rotation: one that does not answer or drains. One whose backend is down stays in it: so are all the
    # others then, and much can be answered without that backend.
    option httpchk GET /readyz
    http-check expect ! string draining
    timeout check 3s
    default-server check inter 500ms fall 2 rise 1
{services}
frontend s3
    bind {host}:{s3}
    default_backend gateways
backend gateways
    balance leastconn
    option httpchk GET /status
    default-server check inter 500ms fall 2 rise 1
{gateways}
"""


class Cluster:
    """All processes, on this machine. Each has its own data under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.postgres = PostgresCluster(root)
        self.mongo = MongoReplicaSet(root)
        self.weed = SeaweedCluster(root, self.mongo.url("filer"))
        self._redis = _redis(root / "redis")
        self._ports = {name: free_port() for name in (*SERVICES, "haproxy", "s3", "redis")}
        self._environment: dict[str, str] = {}
        self.url = f"http://{HOST}:{self._ports['haproxy']}"
        self.nodes = {
            **self.postgres.nodes,
            **self.mongo.nodes,
            **self.weed.nodes,
            "redis": Node("redis", root, lambda: self._redis.command({"redis": self._ports["redis"]})),
            "haproxy": Node("haproxy", root, self._haproxy),
            **{name: Node(name, root, partial(self._service, name)) for name in SERVICES},
        }

    async def start(self) -> None:
        """Start all processes; return when every service is ready."""
        self._redis.prepare()
        self.nodes["redis"].start()
        await self.postgres.start()
        await self.mongo.start()
        await self.weed.start()
        self.nodes["haproxy"].start()
        self._environment = self._settings()
        os.environ.update(self._environment)
        settings = Settings()
        await asyncio.to_thread(upgrade, settings.sqlalchemy_direct_url)
        store = ObjectStore(settings)
        await until("the bucket", lambda: _makes_bucket(store))
        await store.close()
        for name in SERVICES:
            self.nodes[name].start()
        for name in SERVICES:
            await self.until_ready(name)

    def stop(self) -> None:
        """Stop all processes, the services first."""
        nodes = list(reversed(self.nodes.values()))
        for node in nodes:
            node.request_stop()
        for node in nodes:
            node.finish()

    async def restart(self, name: str) -> None:
        """Restart a killed node, and wait until it serves."""
        for part in (self.postgres, self.mongo, self.weed):
            if name in part.nodes:
                await part.restart(name)
                return
        self.nodes[name].start()
        if name in SERVICES:
            await self.until_ready(name)

    async def until_ready(self, name: str) -> float:
        """Wait until all backends respond to this service; return the seconds."""
        async with aiohttp.ClientSession() as session:

            async def is_ready() -> bool:
                try:
                    async with session.get(f"http://{HOST}:{self._ports[name]}/readyz") as response:
                        return response.status == OK and (await response.json())["status"] == "ok"
                except aiohttp.ClientError:
                    return False

            return await until(name, is_ready)

    def _settings(self) -> dict[str, str]:
        return {
            "APP_ENV": "production",
            "LOG_LEVEL": "WARNING",
            "JWT_SECRET": secrets.token_hex(32),
            "ACCESS_TOKEN_SECONDS": "36000",
            "DATABASE_URL": self.postgres.url,
            "DATABASE_REPLICA_URL": self.postgres.standby_url,
            "MONGO_URL": self.mongo.url("imts"),
            "STORAGE_ENDPOINT": f"{HOST}:{self._ports['s3']}",
            "STORAGE_ACCESS_KEY": self.weed.access_key,
            "STORAGE_SECRET_KEY": self.weed.secret_key,
            "TRUSTED_PROXIES": HOST,
            **self._redis.addresses({"redis": self._ports["redis"]}),
        }

    def _service(self, name: str) -> Command:
        argv = [sys.executable, "-m", "app", "serve", "--port", str(self._ports[name]), "--drain-seconds", "15"]
        return Command(argv, ROOT, {**self._environment, "TELEMETRY_SPILL_DIR": str(self._root / name)})

    def _haproxy(self) -> Command:
        services = [f"    server {name} {HOST}:{self._ports[name]}" for name in SERVICES]
        gateways = [f"    server {name} {address}" for name, address in self.weed.gateways.items()]
        path = self._root / "haproxy.cfg"
        path.write_text(
            HAPROXY.format(
                host=HOST,
                api=self._ports["haproxy"],
                s3=self._ports["s3"],
                services="\n".join(services),
                gateways="\n".join(gateways),
            )
        )
        return Command([shutil.which("haproxy") or "haproxy", "-db", "-f", str(path)], self._root)


async def _makes_bucket(store: ObjectStore) -> bool:
    try:
        await store.ensure_bucket()
    except Exception as error:
        raise ConnectionRefusedError from error
    return True


def _redis(path: Path) -> Redis:
    directory = DataDir(path)
    directory.open()
    return Redis(directory, durable=True)
