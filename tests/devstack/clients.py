"""The service's own client libraries against a stack: one value written to each server, and read back."""

import asyncio
import io
from collections.abc import Mapping

import aiohttp
import asyncpg
from miniopy_async.api import Minio
from motor.motor_asyncio import AsyncIOMotorClient
from redis.asyncio import Redis


def write_everywhere(addresses: Mapping[str, str], value: str) -> None:
    asyncio.run(_write(addresses, value))


def read_everywhere(addresses: Mapping[str, str]) -> dict[str, str]:
    return asyncio.run(_read(addresses))


def fetch_value(addresses: Mapping[str, str], query: str) -> object:
    return asyncio.run(_fetch(addresses, query))


async def _write(addresses: Mapping[str, str], value: str) -> None:
    postgres = await asyncpg.connect(addresses["DATABASE_URL"])
    await postgres.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
    await postgres.execute("INSERT INTO kept VALUES ($1)", value)
    await postgres.close()
    mongo: AsyncIOMotorClient[dict[str, str]] = AsyncIOMotorClient(addresses["MONGO_URL"])
    await mongo.get_default_database().kept.insert_one({"value": value})
    mongo.close()
    async with aiohttp.ClientSession() as session:
        store = _store(addresses, session)
        await store.make_bucket(addresses["STORAGE_BUCKET"])
        await store.put_object(addresses["STORAGE_BUCKET"], "kept", io.BytesIO(value.encode()), len(value))
    async with Redis.from_url(addresses["REDIS_URL"], decode_responses=True) as redis:
        await redis.set("kept", value)


async def _read(addresses: Mapping[str, str]) -> dict[str, str]:
    mongo: AsyncIOMotorClient[dict[str, str]] = AsyncIOMotorClient(addresses["MONGO_URL"])
    document = await mongo.get_default_database().kept.find_one()
    mongo.close()
    async with aiohttp.ClientSession() as session:
        response = await _store(addresses, session).get_object(addresses["STORAGE_BUCKET"], "kept")
        content = await response.read()
    async with Redis.from_url(addresses["REDIS_URL"], decode_responses=True) as redis:
        cached = str(await redis.get("kept"))
    return {
        "postgres": str(await _fetch(addresses, "SELECT value FROM kept")),
        "mongo": document["value"] if document else "",
        "object_store": content.decode(),
        "redis": cached,
    }


async def _fetch(addresses: Mapping[str, str], query: str) -> object:
    postgres = await asyncpg.connect(addresses["DATABASE_URL"])
    try:
        return await postgres.fetchval(query)
    finally:
        await postgres.close()


def _store(addresses: Mapping[str, str], session: aiohttp.ClientSession) -> Minio:
    return Minio(
        addresses["STORAGE_ENDPOINT"],
        access_key=addresses["STORAGE_ACCESS_KEY"],
        secret_key=addresses["STORAGE_SECRET_KEY"],
        secure=False,
        region="us-east-1",
        session=session,
    )
