"""Where the servers of a run come from."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from devstack import Stack

ADDRESSES = pytest.StashKey[dict[str, str]]()
# The address of PgBouncer, in a run with it.
POOLER = "POOLER_URL"
NAMES = (
    "DATABASE_URL",
    "MONGO_URL",
    "REDIS_URL",
    "STORAGE_ENDPOINT",
    "STORAGE_ACCESS_KEY",
    "STORAGE_SECRET_KEY",
)
POSTGRES_IMAGE = "postgres:18"
MONGO_IMAGE = "mongo:8"
REDIS_IMAGE = "redis:8"
MINIO_IMAGE = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"


@contextmanager
def embedded_backends(directory: Path) -> Iterator[dict[str, str]]:
    """Start real servers from the wheels, without durability."""
    stack = Stack(directory / "data", durable=False, report=lambda _line: None)
    try:
        yield stack.start()
    finally:
        stack.stop()


@contextmanager
def environment_backends(_directory: Path) -> Iterator[dict[str, str]]:
    """Take the addresses of the environment. The tests use unique names there, except in Redis."""
    addresses = {name: os.environ[name] for name in NAMES}
    with Redis.from_url(addresses["REDIS_URL"]) as redis:
        assert not redis.info("keyspace"), "the tests empty the databases of this Redis: give them an empty one"
    yield addresses


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def docker_backends(_directory: Path) -> Iterator[dict[str, str]]:
    """Start containers by testcontainers."""
    # Imported here: Docker is there on few machines, and its client is slow to import.
    from testcontainers.community.minio import MinioContainer  # noqa: PLC0415
    from testcontainers.community.mongodb import MongoDbContainer  # noqa: PLC0415
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415
    from testcontainers.community.redis import RedisContainer  # noqa: PLC0415

    with (
        PostgresContainer(POSTGRES_IMAGE, driver=None) as postgres,
        MongoDbContainer(MONGO_IMAGE) as mongo,
        RedisContainer(REDIS_IMAGE) as redis,
        MinioContainer(MINIO_IMAGE) as minio,
    ):
        store = minio.get_config()
        yield {
            "DATABASE_URL": postgres.get_connection_url(),
            "MONGO_URL": f"{mongo.get_connection_url()}/imts?authSource=admin",
            "REDIS_URL": f"redis://{redis.get_container_host_ip()}:{redis.get_exposed_port(6379)}/0",
            "STORAGE_ENDPOINT": store["endpoint"],
            "STORAGE_ACCESS_KEY": store["access_key"],
            "STORAGE_SECRET_KEY": store["secret_key"],
        }
