"""Measures the bytes of each table and index for each image, the WAL of changes, and the bytes of a request's record.

    python -m benchmarks.storage_footprint --images 300000    # brings its own servers
    python -m benchmarks.storage_footprint                    # the tables of the database of DATABASE_URL

Prints tables in Markdown. A freshly built index is the densest; one that has grown row by row is up to 1.5
times as large. The WAL is measured just after a checkpoint, when the first change of a page writes all of it.
"""

import argparse
import asyncio
import time
from urllib.parse import quote

import asyncpg
import httpx
from pymongo import MongoClient

from app.core.settings import Settings
from app.db.database import Database
from benchmarks.dataset import names
from benchmarks.search import POSTGRES, load
from benchmarks.service import Client, servers, service
from tests.support.accounts import add_account
from tests.support.photos import png

SIZES = """
SELECT c.relname, c.relkind = 'r' AS is_table, pg_relation_size(c.oid) + coalesce(pg_relation_size(c.reltoastrelid), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i') ORDER BY 2 DESC, 3 DESC
"""


UPLOADS = 50
RECORDS = 20_000
# The tags of the uploads are common ones and rare ones. The merged tag has some thousand images.
TAGS = "SELECT name FROM tags WHERE alias_of IS NULL ORDER BY image_count DESC LIMIT 11 OFFSET $1"
MERGED = "SELECT name, image_count FROM tags WHERE image_count < $1 ORDER BY image_count DESC LIMIT 2"


async def measure() -> None:
    """Measure and print."""
    connection = await asyncpg.connect(Settings().database_url.get_secret_value())
    images, tagged = await connection.fetchrow("SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM tagged)")
    rows = await connection.fetch(SIZES)
    await connection.close()
    print(f"{images} images, {tagged / images:.1f} tags an image\n\n| | MB | bytes an image |\n|---|---|---|")
    for name, is_table, size in rows:
        # A smaller relation does not grow with the number of images.
        if size > images:
            print(f"| {'**' + name + '**' if is_table else name} | {size / 1e6:.1f} | {size / images:.0f} |")
    total = sum(size for _, _, size in rows)
    print(f"| all | {total / 1e6:.1f} | {total / images:.0f} |")


async def measure_wal(url: str) -> None:
    """Upload images, merge a tag, and print the bytes of WAL of each image, those of background tasks included."""
    settings = Settings()
    database = Database(settings)
    admin = await add_account(url, settings, database, "footprint@example.com", is_admin=True)
    await database.close()
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    async with admin.client as client:
        start = await _begin(connection)
        for number in range(UPLOADS):
            tags = [row["name"] for row in await connection.fetch(TAGS, 900 * number)]
            await _post(client, "/v1/images", files={"image": (f"{number}.png", png())}, data={"tags": tags})
        uploads = await _written(connection, start) / UPLOADS
        merged, into = await connection.fetch(MERGED, 5_000)
        start = await _begin(connection)
        await _post(client, f"/v1/tags/{quote(merged['name'])}/merge", json={"into": into["name"]})
        merge = await _written(connection, start) / merged["image_count"]
    await connection.close()
    print("\n| bytes of WAL for each image | |\n|---|---|")
    print(f"| an upload with 11 tags | {uploads:.0f} |")
    print(f"| a merge of a tag of {merged['image_count']} images | {merge:.0f} |")


async def _begin(connection: asyncpg.Connection) -> str:
    await connection.execute("CHECKPOINT")
    return str(await connection.fetchval("SELECT pg_current_wal_lsn()::text"))


async def _written(connection: asyncpg.Connection, start: str) -> float:
    return float(await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1::text::pg_lsn)", start))


async def _post(client: httpx.AsyncClient, path: str, **body: object) -> None:
    response = await client.post(path, timeout=600, **body)  # type: ignore[arg-type]
    response.raise_for_status()


def measure_records(url: str) -> None:
    """Send requests of three routes for various tags, and print the bytes of a record in MongoDB."""
    client = Client(url)
    known = names().all()
    for number in range(RECORDS):
        name = known[number * number % len(known)]
        if number % 10 == 0:
            client.get("/v1/images", {"q": name})
        elif number % 2:
            client.get("/v1/tags", {"prefix": name[:3]})
        else:
            client.send("GET", f"/v1/tags/{quote(name)}")
    with MongoClient[dict[str, int]](Settings().mongo_url.get_secret_value()) as mongo:
        logs = mongo.get_default_database("imts")
        while logs.request_logs.count_documents({}) < RECORDS:
            time.sleep(1)
        mongo.admin.command("fsync")
        sizes = logs.command("collStats", "request_logs")
        records = logs.request_logs.count_documents({})
    stored, indexes = (sizes[name] / records for name in ("storageSize", "totalIndexSize"))
    print(f"\n{records} records of requests: {stored:.0f} bytes each in MongoDB, and {indexes:.0f} of indexes")


def main() -> None:
    """Measure the database of DATABASE_URL, or a new one with the data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, help="load this number of images into a new database")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.images is None:
        asyncio.run(measure())
        return
    with servers(POSTGRES):
        asyncio.run(load(options.images, options.seed))
        asyncio.run(measure())
        with service() as url:
            asyncio.run(measure_wal(url))
            measure_records(url)


if __name__ == "__main__":
    main()
