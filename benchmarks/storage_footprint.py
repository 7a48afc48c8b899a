"""Measures the bytes of each table and index for each image.

    python -m benchmarks.dataset --images 300000      # into DATABASE_URL
    python -m benchmarks.storage_footprint

Prints a table in Markdown. A freshly built index is the densest; one that has grown row by row is up to 1.5
times as large.
"""

import asyncio

import asyncpg

from app.core.settings import Settings

SIZES = """
SELECT c.relname, c.relkind = 'r' AS is_table, pg_relation_size(c.oid) + coalesce(pg_relation_size(c.reltoastrelid), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i') ORDER BY 2 DESC, 3 DESC
"""


async def main() -> None:
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


if __name__ == "__main__":
    asyncio.run(main())
