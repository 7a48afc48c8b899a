"""Bare FastAPI on uvicorn: the baselines of benchmarks.http."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request

from app.core.settings import Settings
from app.core.text.timestamps import format_local_time
from app.images.schemas import ImageLinks, ImageRead
from app.models.image import Visibility

SELECT = (
    "SELECT i.*, ARRAY(SELECT t.name FROM tags t WHERE t.id = ANY(i.tag_ids) ORDER BY t.name) AS tags"
    " FROM images i WHERE i.id = $1"
)
LINKS = ImageLinks(self="/v1/images/x", content="/v1/images/x/content", thumbnail="/v1/images/x/thumbnail")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, asyncpg.Pool]]:
    """Open a pool as large as the service's."""
    async with asyncpg.create_pool(Settings().database_url.get_secret_value(), min_size=10, max_size=10) as pool:
        yield {"pool": pool}


app = FastAPI(lifespan=lifespan)


@app.get("/static")
async def static() -> ImageRead:
    """Return a new model: validation and serialization without a database."""
    return ImageRead(
        id=UUID(int=1),
        name="chelsea.png",
        content_type="image/png",
        size=240512,
        width=451,
        height=300,
        taken_at=None,
        camera=None,
        sha256="59" * 32,
        visibility=Visibility.PUBLIC,
        tags=["cat", "portrait"],
        uploaded_by=None,
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
        links=LINKS,
    )


@app.get("/select/{image_id}")
async def select(request: Request, image_id: UUID) -> ImageRead:
    """Return the row of an image, read by asyncpg with one statement."""
    async with request.state.pool.acquire() as connection:
        row = await connection.fetchrow(SELECT, image_id)
    taken_at = None if row["taken_at"] is None else format_local_time(row["taken_at"], row["taken_at_offset"])
    return ImageRead(**{**row, "sha256": row["sha256"].hex(), "taken_at": taken_at, "links": LINKS})
