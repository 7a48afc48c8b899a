"""Measures the bytes of each table and index for each image.

    python -m benchmarks.storage_footprint --images 300000    # brings its own server
    python -m benchmarks.storage_footprint                    # the database of DATABASE_URL

Prints a table in Markdown. A freshly built index is the densest; one that has grown row by row is up to 1.5
times as large.
"""

import argparse
import asyncio

import asyncpg

from app.core.settings import Settings
from benchmarks.search import POSTGRES, load
from benchmarks.service import servers

SIZES = """
SELECT c.relname, c.relkind = 'r' AS is_table, pg_relation_size(c.oid) + coalesce(pg_relation_size(c.reltoastrelid), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i') ORDER BY 2 DESC, 3 DESC
"""


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


if __name__ == "__main__":
    main()
